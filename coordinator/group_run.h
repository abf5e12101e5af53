// A group of ranks at work on a task: what its ranks have sent so far, and what that adds up to at the end.
// recorder.h writes the result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/config/task.h"
#include "shared/link/message.h"
#include "shared/measure/histogram.h"
#include "shared/store/task_file.h"

namespace apportion {

/// Joins the units of a measure task, which arrive in any order from any rank: each prompt exactly once.
class Aggregator {
 public:
  /// A test set of subjects x wordings prompts, answered in `categories` categories, `rounds` per subject.
  Aggregator(int subjects, int wordings, int categories, uint64_t rounds);

  /// Takes a unit's prompts. Throws InternalError for a prompt that does not exist or has already come, and
  /// for counts of the wrong length or sum.
  void add(const Histogram& histogram);

  /// All prompts in order. Throws InternalError when some are missing.
  MeasureResult take();

 private:
  void check(const PromptResult& prompt) const;

  MeasureResult result_;
  std::vector<uint64_t> rounds_;  // per wording
  std::vector<bool> arrived_;     // [S * P]
};

class GroupRun {
 public:
  /// `ranks` are world ranks in group order. `tables` belong to a measure task's test set, nullptr for
  /// training; `rounds` is per subject; `now` is in seconds.
  GroupRun(Task task, std::vector<int> ranks, const MeasureTables* tables, uint64_t rounds, double now);

  const Task& task() const { return task_; }
  const std::vector<int>& ranks() const { return ranks_; }

  /// Throws InternalError for a message that is not from this group or came twice, RankError if a rank
  /// computed in a type other than the task's.
  void add(const Histogram& histogram);
  void add(int rank, Done done);
  void add(int rank, const Paused& paused);

  /// Whether every rank has ended its part, by Done or Paused.
  bool finished() const { return done_.size() + paused_.size() == ranks_.size(); }
  /// Whether a rank has left the task unfinished; there is no result then.
  bool is_paused() const { return !paused_.empty(); }
  /// Where a paused task stopped, for people: "step 37 of 420 (stage 1)".
  std::string paused_at() const;

  /// A finished measure task's result; throws InternalError when it is incomplete.
  MeasureResult take_result();
  /// A finished training task's log and adapter digest, from the group's first rank.
  const Done& first_done() const;
  /// What the ranks of a finished scale task measured, in group order.
  std::vector<StepSample> samples() const;

  /// How the task was run, for people: ranks, threads, seconds, what each rank computed. None of it is
  /// compared.
  std::vector<std::pair<std::string, std::string>> about(double now) const;

 private:
  Task task_;
  std::vector<int> ranks_;
  std::optional<Aggregator> aggregator_;
  std::map<int, Done> done_;  // by world rank
  std::map<int, Paused> paused_;
  double start_;
};

}  // namespace apportion
