#include "shared/measure/histogram.h"

#include <numeric>

#include "shared/base/error.h"

namespace apportion {

std::vector<uint64_t> rounds_per_wording(uint64_t rounds, int wordings) {
  ensure(wordings > 0, "rounds are spread over at least one wording");
  const uint64_t parts = static_cast<uint64_t>(wordings);
  std::vector<uint64_t> counts(parts, rounds / parts);
  for (uint64_t i = 0; i < rounds % parts; ++i) ++counts[i];
  return counts;
}

uint64_t rounds_of(const PromptResult& prompt) {
  return std::accumulate(prompt.counts.begin(), prompt.counts.end(), prompt.no_story + prompt.judge_failed);
}

}  // namespace apportion
