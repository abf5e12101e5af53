// `apportion status DIR`: what of a folder's jobs is done, at work, waiting and failed, and who is at work;
// from its files alone, while others write them. And `apportion retry` and `verify`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/folder/members.h"
#include "coordinator/status.h"

namespace apportion {

enum class TaskPhase { done, running, waiting, failed, set_aside };

struct TaskStatus {
  std::string id, name;  // name: "stage 1 (target=even, seed=0)"
  TaskPhase phase = TaskPhase::waiting;
  std::string member;  // at work
  std::string reason;  // of the last failure
};

struct JobStatus {
  std::string job;
  size_t cells = 0;
  std::vector<TaskStatus> tasks;

  size_t count(TaskPhase phase) const;
};

struct FolderStatus {
  std::vector<JobStatus> jobs;
  std::vector<MemberStatus> members;
  double tasks_per_hour = 0;        // of the last hour's; 0: none
  double rank_hours = 0;            // of tasks that were done or failed: time from taken to then, times ranks
  double rank_hours_left = 0;       // of what is not done, at the mean of what is
  std::vector<std::string> faults;  // damaged records
};

/// Throws UserError for a folder that no run has worked in. Who is alive: members.h.
FolderStatus folder_status(const std::string& directory, double now);

std::string render_status(const FolderStatus& status);
std::string status_json(const FolderStatus& status);

/// Tasks that have failed are tried again: how many. Throws UserError when nothing can be written.
size_t retry_failed(const std::string& directory);

/// A line for each file of the folder that is damaged; the number of results that were looked at in `seen`.
/// `told` hears of each.
std::vector<std::string> verify_folder(
    const std::string& directory, size_t& seen, const DoneTold& told = [](size_t, size_t) {});

}  // namespace apportion
