// One function for each kind of task. It does this rank's part, as a member of the group that the coordinator
// formed.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/link/link.h"
#include "shared/link/message.h"
#include "worker/parallel/collectives.h"
#include "worker/session.h"

namespace apportion {

/// Where a task runs.
struct TaskContext {
  Session& session;
  Link& link;
  Collectives& collectives;
  const Task& task;
  std::vector<int> shard_ranks;    // world ranks that hold the base together, with this one
  std::vector<int> replica_ranks;  // those with the same part of each copy of it
  std::vector<std::string> input;  // Assign's
};

/// Shows people the progress of a part of a task that is neither training steps nor units of a test set, such
/// as loading or the reference. The group's first rank reports, at most twice a second, and not in a part's
/// first second.
class PartProgress {
 public:
  /// `context` must outlive it. `part`: its name, such as "loading".
  PartProgress(const TaskContext& context, const std::string& part)
      : PartProgress(context.link, context.task, context.collectives.group_rank() == 0, part) {}
  PartProgress(Link& link, const Task& task, bool tells, const std::string& part);

  /// `done` of `all` are done (done <= all); thread-safe.
  void operator()(int64_t done, int64_t all);
  /// Reports at once the start of a part that goes through the model in one piece: it has `all` items.
  void begin(int64_t all);

 private:
  Link& link_;
  Progress progress_;
  bool tells_;
  double began_, sent_ = 0;
  int64_t done_ = 0;
  std::mutex mutex_;
};

/// The adapter that the task `trained_by` has trained, for `type`. With no task (empty), the adapter that the
/// model starts with (adapter_in), null if there is none. Throws as load_adapter does.
std::unique_ptr<Adapter> task_adapter(const Session& session, const std::string& trained_by,
                                      at::ScalarType type);

/// Measures this rank's units and sends each histogram as soon as its unit is done.
Done run_measure(const TaskContext& context);

/// Trains stage 1 ("sft") or stage 2 ("calibrate", from what its input trained): an adapter, or all weights.
/// The group's first rank writes the result's folder and returns log and digest. Collective: every rank of
/// the group.
Done run_training(const TaskContext& context);

/// Compares the model that its input trained with the untouched one, on keep prompts, plain text and easy
/// questions. Collective: every rank of the group.
Done run_retention(const TaskContext& context);

/// Reads the stories that came with the task as a judge: the job's untouched model, or judge_model. The
/// group's first rank returns the verdicts. Collective: every rank of the group.
Done run_judge(const TaskContext& context);

/// Where a scale task runs. It brings its own model and needs neither dataset nor tokenizer.
struct ScaleContext {
  const RunConfig& config;
  RankDevice rank;
  Link& link;
  Collectives& collectives;
  const Task& task;
  const std::vector<int>& group;  // world ranks
};

/// Times training steps of the task's shape and layout. Collective: every rank of the group.
Done run_scale(const ScaleContext& context);

}  // namespace apportion
