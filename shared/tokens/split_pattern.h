// Regular expressions of pre-tokenizers (Oniguruma's syntax, as `tokenizers` reads them) through ICU. What
// becomes of the matches is pre_tokenizer.h's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/tokens/aligned_text.h"

namespace apportion {

class SplitPattern {
 public:
  /// Compiles the expression. Throws UserError with the reason where it is none, or one of which ICU and
  /// Oniguruma may understand different things; the message does not repeat the expression.
  explicit SplitPattern(std::string_view expression);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;

  /// For each of the words of `text` the places where the expression matches when the word is all that there
  /// is, in order, as bytes of `text`. A byte that is no valid UTF-8 counts as U+FFFD. Throws UserError where
  /// ICU gives up.
  std::vector<std::vector<WordSpan>> matches(std::string_view text, const std::vector<WordSpan>& words) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// The expression as ICU understands the same by it: its \s has other characters, its dot stops at other line
/// ends. Throws UserError for what is not known to be the same in both.
std::string icu_expression(std::string_view expression);

}  // namespace apportion
