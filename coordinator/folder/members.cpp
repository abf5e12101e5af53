#include "coordinator/folder/members.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

/// Seconds since the member's last sign of life, by the file system's clock.
double age_of(const std::string& path, double now) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  return now - static_cast<double>(status.st_mtim.tv_sec);
}

/// "stage 1 (seed=0) 37/420" is step 37 of 420 of stage 1.
struct Doing {
  std::string stage;
  uint64_t step = 0, steps = 0;
};

Doing read_doing(const std::string& text) {
  const size_t blank = text.find_last_of(' '), slash = text.find_last_of('/');
  Doing doing{text.substr(0, blank)};
  // Removes the cell: "stage 1 (seed=0): loading" becomes "stage 1: loading".
  const size_t open = doing.stage.find(" ("), close = doing.stage.rfind(')');
  if (open != std::string::npos && close != std::string::npos && open < close)
    doing.stage.erase(open, close + 1 - open);
  if (blank == std::string::npos || slash == std::string::npos || slash < blank) return doing;
  parse_integer(text.substr(blank + 1, slash - blank - 1), doing.step);
  parse_integer(text.substr(slash + 1), doing.steps);
  return doing;
}

}  // namespace

std::string doing_text(const MemberStatus& member) {
  constexpr size_t most_named = 3;
  if (member.doing.size() <= most_named) return join(member.doing, "; ");
  struct Sum {
    size_t tasks = 0;
    uint64_t step = 0, steps = 0;
  };
  std::map<std::string, Sum> stages;
  for (const std::string& text : member.doing) {
    const Doing doing = read_doing(text);
    Sum& sum = stages[doing.stage];
    ++sum.tasks;
    sum.step += doing.step;
    sum.steps += doing.steps;
  }
  std::vector<std::string> lines;
  for (const auto& [stage, sum] : stages) {
    std::string line = fmt::format("{} of {} task{}", stage, sum.tasks, sum.tasks == 1 ? "" : "s");
    if (sum.steps > 0) line += fmt::format(" {}/{}", sum.step, sum.steps);
    lines.push_back(std::move(line));
  }
  return join(lines, "; ");
}

double folder_seconds(const std::string& directory) {
  const std::string path = fmt::format("{}/.clock-{}", members_directory(directory), ::getpid());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return unix_seconds();
  ::close(file);
  struct stat status {};
  const bool known = ::stat(path.c_str(), &status) == 0;
  ::unlink(path.c_str());
  return known ? static_cast<double>(status.st_mtim.tv_sec) : unix_seconds();
}

std::vector<MemberStatus> folder_members(const std::string& directory, double now) {
  std::vector<MemberStatus> members;
  for (const auto& [id, file] : read_members(directory)) {
    MemberStatus& member = members.emplace_back();
    member = {id, file.process.host.substr(0, file.process.host.find('/')), file.job, file.slurm_job,
              file.began};
    member.alive = is_here(file.process)
                       ? !is_gone(file.process)
                       : age_of(members_directory(directory) + "/" + id, now) < file.limit_s;
    for (const auto& [task, doing] : file.doing) member.doing.push_back(doing);
  }
  return members;
}

void require_folder(const std::string& directory, const std::string& command) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) return;
  throw UserError(fmt::format("{}: {} is not a directory: give the folder that `apportion run` writes to",
                              command, directory));
}

void require_idle(const std::string& directory, const std::string& command, const std::string& self) {
  for (const MemberStatus& member : folder_members(directory, folder_seconds(directory))) {
    if (!member.alive || member.id == self) continue;
    throw UserError(fmt::format("{}: {} works in {} (job {}); wait until it has ended, or stop it", command,
                                member.id, directory, member.job));
  }
}

void wait_for_clearing(Leases& leases, const std::function<void()>& say) {
  constexpr std::chrono::milliseconds pause(100);
  for (int look = 0; leases.is_held(clearing_lease); ++look) {
    if (look == 1) say();
    leases.beat();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace apportion
