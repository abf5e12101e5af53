#include "coordinator/submit/submit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "coordinator/submit/batch_file.h"
#include "coordinator/submit/site.h"
#include "shared/base/data_places.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/option.h"

extern char** environ;

namespace apportion {

namespace {

namespace fs = std::filesystem;

/// A name safe for our file and for a Slurm job.
std::string plain_name(std::string name) {
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.') c = '-';
  }
  return name;
}

std::string absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

/// Runs `command` (a program in PATH and its arguments) and returns what it prints; its standard error goes
/// to ours. `code` gets its exit code, 127 if there is no such program.
std::string output_of(std::vector<std::string> command, int& code) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    throw UserError(command.front() + " cannot be started: " + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = 0;
  const int failure = ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string text;
  std::array<char, 512> part{};
  for (ssize_t size = 0; failure == 0 && (size = ::read(pipe[0], part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<size_t>(size));
  ::close(pipe[0]);
  code = 127;
  int status = 0;
  if (failure == 0 && ::waitpid(process, &status, 0) == process)
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return trim(text.substr(0, text.find('\n')));
}

BatchRequest request_of(const CommandLine& line, const Site& site) {
  BatchRequest request;
  request.name = plain_name(line.job_name);
  request.folder = absolute(line.config.output.directory) + "/slurm";
  request.directory = fs::current_path().string();
  request.program = site.program.empty() ? program_file() : absolute(site.program);
  request.arguments = {"run", absolute(line.job_file)};
  request.arguments.insert(request.arguments.end(), line.submit.options.begin(), line.submit.options.end());
  request.members = line.submit.members;
  // A member that waits for another one's task wastes its cores, so it leaves unless asked otherwise.
  const auto& options = line.submit.options;
  const bool says = std::any_of(options.begin(), options.end(),
                                [](const std::string& option) { return option.starts_with("--leave="); });
  if (request.members > 1 && !line.config.output.leave && !says) request.arguments.emplace_back("--leave");
  request.ranks = line.submit.ranks;
  request.grace_s = line.config.ranks.end_grace_s;
  return request;
}

}  // namespace

void submit_job(const CommandLine& line) {
  std::string site_file;
  const Site site = read_site(line.submit.site_file, site_file);
  const BatchRequest request = request_of(line, site);
  const std::string text = render_batch_file(request, site);
  const std::string path = request.folder + "/" + request.name + ".sbatch";
  make_directories(request.folder);
  write_file(path, text);
  print_output(text);
  const std::string about = site_file.empty() ? "no site file: Slurm's defaults apply" : "site: " + site_file;
  std::fprintf(stderr, "%s (%s)\n", path.c_str(), about.c_str());
  if (line.submit.dry_run) return;
  int code = 0;
  const std::string id = output_of({"sbatch", "--parsable", path}, code);
  if (code == 127)
    throw UserError("sbatch is not found in PATH; submit it where Slurm is: sbatch " + shell_word(path));
  if (code != 0) throw UserError(fmt::format("sbatch refused {} (exit code {})", path, code));
  print_output("job " + id.substr(0, id.find(';')) + "\n");
}

}  // namespace apportion
