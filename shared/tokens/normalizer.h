// What is done to a text before words are looked for: Unicode's forms, SentencePiece's sign for a blank.
// Tokens' places in the original text are aligned_text.h's.
#pragma once

#include <string>
#include <vector>

#include "shared/tokens/aligned_text.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  /// All steps in their order. Bytes that are no valid UTF-8 stay as they are. What a Unicode form changes,
  /// from one character at which it can be cut to the next, stands as a whole for what was there.
  void apply(AlignedText& text) const;
  /// The same for a text whose places do not matter.
  std::string normalize(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace apportion
