// Collecting prompts; see aggregator.h.
#include "coordinator/aggregator.h"

#include <algorithm>
#include <numeric>
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
  uint64_t rounds = std::accumulate(prompt.counts.begin(), prompt.counts.end(), uint64_t{0});
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

}  // namespace apportion
