// The side that decides: gives tasks to groups of ranks, listens to them, has results recorded. It knows
// ranks by their messages only. Which tasks there are is plan.h's business, which come next scheduler.h's;
// what surrounds a run (lock, dataset, index, report) is job.h's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/group_run.h"
#include "coordinator/health.h"
#include "coordinator/leaving.h"
#include "coordinator/recorder.h"
#include "coordinator/scheduler.h"
#include "coordinator/status.h"
#include "shared/link/link.h"

namespace apportion {

struct CoordinatorOptions {
  int ranks = 1;
  GroupOptions groups;
  uint64_t rounds = 0;  // per subject of a measure task
  double silence_limit_s =
      0;  // a rank that was not heard for so long ends the job; 0: one process, no heartbeats
  std::function<int()> interrupted = [] { return 0; };  // the signal that asks to stop, 0: none
  double stop_wait_s = 0;              // tasks at work have so long to pause; then all ranks are aborted
  const Restarts* restarts = nullptr;  // of leave_in_order
};

class Coordinator {
 public:
  /// `states` says which of `tasks` (each after its inputs) are done already. References outlive this.
  Coordinator(Link& link, const Recorder& recorder, Status& status, std::vector<Task> tasks,
              std::vector<TaskState> states, const CoordinatorOptions& options);

  /// Returns when every task is done and recorded. Throws Error with the exit code of the job when a rank
  /// failed or fell silent; what is recorded by then stays. When a signal came: LeftInOrder once all groups
  /// have paused or finished, Error with the same exit code when they have not within stop_wait_s.
  void run();

 private:
  void assign();
  void listen();
  void handle(int from, Message message);
  void handle_failure(int from, const Failed& failed) const;
  void end_part(int rank);
  void finish(GroupRun& group);
  void check_interrupt();
  void check_silence();
  bool all_done() const;
  GroupRun& group_of(int rank, const std::string& task_id);

  Link& link_;
  const Recorder& recorder_;
  Status& status_;
  const std::vector<Task> tasks_;
  std::vector<TaskState> states_;
  const CoordinatorOptions options_;
  Health health_;
  std::map<int, GroupRun> groups_;  // by group tag
  std::vector<int> tag_of_rank_;    // 0: idle
  int last_tag_ = 0;
  std::optional<double> stop_asked_;  // when
  std::string paused_;                // where tasks were left
};

}  // namespace apportion
