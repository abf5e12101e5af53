// A group of ranks at work on a task: what has come from its ranks so far, and what it adds up to at the end.
// Writing the result is recorder.h's business.
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

/// Puts a measure task's units, which arrive in any order from any rank, together: each prompt exactly once.
class Aggregator {
 public:
  /// A test set of subjects x wordings prompts, answered in `categories` categories, `rounds` per subject.
  Aggregator(int subjects, int wordings, int categories, uint64_t rounds);

  /// Takes a unit's prompts. Throws InternalError for a prompt that does not exist or came before, and for
  /// counts of another length or sum than asked for.
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
  /// `ranks` are world ranks in group order. `tables` are those of a measure task's test set, nullptr for
  /// training; `rounds` are a subject's. `now` in seconds.
  GroupRun(Task task, std::vector<int> ranks, const MeasureTables* tables, uint64_t rounds, double now);

  const Task& task() const { return task_; }
  const std::vector<int>& ranks() const { return ranks_; }

  /// Throws InternalError for a message that does not belong to this group or came twice, RankError for a
  /// rank that computed in another type than the task's.
  void add(const Histogram& histogram);
  void add(int rank, Done done);
  void add(int rank, const Paused& paused);

  /// Whether every rank has ended its part, by Done or Paused.
  bool finished() const { return done_.size() + paused_.size() == ranks_.size(); }
  /// Whether a rank has left the task unfinished: then there is no result.
  bool is_paused() const { return !paused_.empty(); }
  /// Where a paused task was left, for people: "step 37 of 420 (stage 1)".
  std::string paused_at() const;

  /// A finished measure task's result; throws InternalError when it is incomplete.
  MeasureResult take_result();
  /// A finished training task's log and adapter digest, from the group's first rank.
  const Done& first_done() const;
  /// What the ranks of a finished scale task measured, in group order.
  std::vector<StepSample> samples() const;

  /// How the task was run, for people: ranks, threads, seconds, what each rank computed. Nothing of it is
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
