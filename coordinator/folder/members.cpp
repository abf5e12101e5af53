#include "coordinator/folder/members.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <thread>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Seconds since the member last gave a sign, by the file system's clock.
double age_of(const std::string& path, double now) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  return now - static_cast<double>(status.st_mtim.tv_sec);
}

}  // namespace

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
  throw UserError(fmt::format("{}: {} is no directory: give the folder that `apportion run` writes to",
                              command, directory));
}

void require_idle(const std::string& directory, const std::string& command, const std::string& self) {
  for (const MemberStatus& member : folder_members(directory, static_cast<double>(std::time(nullptr)))) {
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
