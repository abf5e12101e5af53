// Puts a measure task's units, which arrive in any order from any rank, together: each prompt exactly once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/link/message.h"
#include "shared/measure/histogram.h"

namespace apportion {

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

}  // namespace apportion
