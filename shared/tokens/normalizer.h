// What is done to a text before words are looked for: Unicode's forms, and SentencePiece's sign for a blank.
// aligned_text.h keeps the tokens' places in the original text.
#pragma once

#include <string>
#include <vector>

#include "shared/tokens/aligned_text.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  /// Applies all steps in order. Bytes that are not valid UTF-8 stay as they are. Where a Unicode form
  /// changes text, the new text stands as a whole for the old, from one character where it can be cut to the
  /// next.
  void apply(AlignedText& text) const;
  /// The same for a text whose places do not matter.
  std::string normalize(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace apportion
