// What a group's ranks have sent; see group_run.h.
#include "coordinator/group_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "shared/base/error.h"

namespace apportion {

Aggregator::Aggregator(int subjects, int wordings, int categories, uint64_t rounds)
    : rounds_(rounds_per_wording(rounds, wordings)) {
  size_t prompts = static_cast<size_t>(subjects) * static_cast<size_t>(wordings);
  result_ = {subjects, wordings, categories, std::vector<PromptResult>(prompts)};
  arrived_.assign(prompts, false);
}

void Aggregator::check(const PromptResult& prompt) const {
  auto place = [&prompt] {
    return "subject " + std::to_string(prompt.subject) + ", wording " + std::to_string(prompt.wording);
  };
  size_t categories = static_cast<size_t>(result_.categories);
  if (prompt.subject < 0 || prompt.subject >= result_.subjects || prompt.wording < 0 ||
      prompt.wording >= result_.wordings) {
    throw InternalError("a histogram came for a prompt that was not asked: " + place());
  }
  if (prompt.counts.size() != categories + 2 || prompt.steering.size() != categories ||
      prompt.low.size() != categories) {
    throw InternalError("a histogram came with another number of categories: " + place());
  }
  uint64_t rounds = rounds_of(prompt);
  if (rounds != rounds_[static_cast<size_t>(prompt.wording)]) {
    throw InternalError("a histogram has " + std::to_string(rounds) + " rounds instead of " +
                        std::to_string(rounds_[static_cast<size_t>(prompt.wording)]) + ": " + place());
  }
}

void Aggregator::add(const Histogram& histogram) {
  for (const PromptResult& prompt : histogram.prompts) {
    check(prompt);
    size_t place = static_cast<size_t>(prompt.subject) * static_cast<size_t>(result_.wordings) +
                   static_cast<size_t>(prompt.wording);
    if (arrived_[place]) {
      throw InternalError("a prompt was measured twice: subject " + std::to_string(prompt.subject) +
                          ", wording " + std::to_string(prompt.wording));
    }
    arrived_[place] = true;
    result_.prompts[place] = prompt;
  }
}

MeasureResult Aggregator::take() {
  auto missing = std::count(arrived_.begin(), arrived_.end(), false);
  if (missing > 0) throw InternalError(std::to_string(missing) + " prompts were not measured");
  return std::move(result_);
}

namespace {

Aggregator aggregator_for(const MeasureTables& tables, uint64_t rounds) {
  ensure(!tables.subjects.empty() && tables.prompts.size() % tables.subjects.size() == 0,
         "a test set asks every subject in the same number of wordings");
  return Aggregator(static_cast<int>(tables.subjects.size()),
                    static_cast<int>(tables.prompts.size() / tables.subjects.size()),
                    static_cast<int>(tables.categories.size()), rounds);
}

}  // namespace

GroupRun::GroupRun(Task task, std::vector<int> ranks, const MeasureTables* tables, uint64_t rounds,
                   double now)
    : task_(std::move(task)), ranks_(std::move(ranks)), start_(now) {
  if (tables) aggregator_ = aggregator_for(*tables, rounds);
}

void GroupRun::add(const Histogram& histogram) {
  ensure(aggregator_.has_value(), "histograms come from measure tasks");
  aggregator_->add(histogram);
}

void GroupRun::add(int rank, Done done) {
  ensure(std::find(ranks_.begin(), ranks_.end(), rank) != ranks_.end(),
         "Done comes from a rank of the group");
  const std::string type = task_.identity.value("compute_type", "");
  if (done.compute_type != type) {
    throw RankError(rank, fmt::format("rank {}: computes {} in {}, rank 0 in {}; set train_compute_type and "
                                      "measure_compute_type to one that all machines have",
                                      rank, task_.label, done.compute_type, type));
  }
  bool first_time = paused_.count(rank) == 0 && done_.emplace(rank, std::move(done)).second;
  ensure(first_time, "a rank is done with a task once");
}

void GroupRun::add(int rank, const Paused& paused) {
  ensure(std::find(ranks_.begin(), ranks_.end(), rank) != ranks_.end() && done_.count(rank) == 0,
         "Paused comes from a rank of the group that is at work");
  ensure(paused_.emplace(rank, paused).second, "a rank leaves a task once");
}

std::string GroupRun::paused_at() const {
  ensure(is_paused(), "the place of a paused task is asked for");
  Paused place = paused_.begin()->second;
  if (aggregator_) {  // each rank knows only its own units
    place.done = place.all = 0;
    for (const auto& [rank, paused] : paused_) place.done += paused.done, place.all += paused.all;
    for (const auto& [rank, done] : done_) place.done += done.units, place.all += done.units;
  }
  if (place.all == 0) return "the start of " + task_.label;
  return fmt::format("{} {} of {} ({})", aggregator_ ? "unit" : "step", place.done, place.all, task_.label);
}

MeasureResult GroupRun::take_result() {
  ensure(finished() && aggregator_.has_value(), "the result of a finished measure task is taken");
  return aggregator_->take();
}

const Done& GroupRun::first_done() const { return done_.at(ranks_.front()); }

std::vector<StepSample> GroupRun::samples() const {
  std::vector<StepSample> samples;
  for (int rank : ranks_) samples.push_back(done_.at(rank).sample);
  return samples;
}

std::vector<std::pair<std::string, std::string>> GroupRun::about(double now) const {
  std::vector<int> threads;
  std::vector<int64_t> micro_batches, units, base_peak;
  for (int rank : ranks_) {
    const Done& done = done_.at(rank);
    threads.push_back(done.threads);
    micro_batches.push_back(done.micro_batches);
    base_peak.push_back(done.base_peak_bytes);
    units.push_back(done.units);
  }
  return {{"group", fmt::format("{}", fmt::join(ranks_, ","))},
          {"threads_by_rank", fmt::format("{}", fmt::join(threads, ","))},
          {"micro_batches_by_rank", fmt::format("{}", fmt::join(micro_batches, ","))},
          {"base_peak_bytes_by_rank", fmt::format("{}", fmt::join(base_peak, ","))},
          {"units_by_rank", fmt::format("{}", fmt::join(units, ","))},
          {"compute_type", first_done().compute_type},
          {"seconds", fmt::format("{:.3f}", now - start_)}};
}

}  // namespace apportion
