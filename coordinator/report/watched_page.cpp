#include "coordinator/report/watched_page.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "coordinator/folder/members.h"
#include "coordinator/folder/watch.h"
#include "coordinator/report/html/html_page.h"
#include "coordinator/report/view/page_words.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

bool is_at_work(const std::string& directory) {
  const std::vector<MemberStatus> members = folder_members(directory, folder_seconds(directory));
  return std::any_of(members.begin(), members.end(), [](const MemberStatus& member) { return member.alive; });
}

/// A text that changes whenever what the page shows has changed. The index, which has every finished cell, is
/// replaced whole, so a new index is a new file.
std::string state_of(const std::string& directory) {
  struct stat index {};
  ::stat((directory + "/index.h5").c_str(), &index);  // absent: zeros
  return join(missing_of(directory), "\n") + fmt::format("\n{} {}.{} {}", index.st_ino, index.st_mtim.tv_sec,
                                                         index.st_mtim.tv_nsec, index.st_size);
}

}  // namespace

int watch_page(const std::string& directory, const ReportRequest& request, bool quiet) {
  require_folder(directory, "report");
  const std::string line =
      is_at_work(directory)
          ? fmt::format("{} follows the runs in {}, every {} s; Ctrl-C ends it\n", request.html, directory,
                        watch_pause_s)
          : fmt::format("{} is written once: no run is at work in {}\n", request.html, directory);
  if (!quiet) std::fputs(line.c_str(), stderr);
  std::string written, told;
  return watch([&] {
    if (!is_at_work(directory)) return false;
    try {
      const std::string state = state_of(directory);
      if (state != written) write_page(directory, request.html, request.cell, watch_pause_s);
      written = state;
    } catch (const Error& error) {  // what is missing or incomplete now may be there next time
      if (error.what() != told) std::fprintf(stderr, "apportion: %s\n", error.what());
      told = error.what();
    }
    return true;
  });
}

}  // namespace apportion
