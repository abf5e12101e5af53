// `apportion status DIR`: which of a folder's tasks are done, running, waiting or failed, and who is at work;
// from its files alone, while others write them. Also `apportion retry` and `verify`.
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
  std::string member;  // the one at work on it
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
  double tasks_per_hour = 0;        // over the last hour; 0: none
  double rank_hours = 0;            // of tasks done or failed: time from when they were taken, times ranks
  double rank_hours_left = 0;       // of unfinished tasks, at the mean of the finished ones
  std::vector<std::string> faults;  // damaged records
};

/// Throws UserError for a folder that no run has worked in. members.h says who is alive.
FolderStatus folder_status(const std::string& directory, double now);

std::string render_status(const FolderStatus& status);
std::string status_json(const FolderStatus& status);

/// Lets failed tasks be tried again and returns how many. Throws UserError when nothing can be written.
size_t retry_failed(const std::string& directory);

/// A line for each damaged file of the folder; `seen` gets the number of results checked. Calls `told` for
/// each.
std::vector<std::string> verify_folder(
    const std::string& directory, size_t& seen, const DoneTold& told = [](size_t, size_t) {});

}  // namespace apportion
