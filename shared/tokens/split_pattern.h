// Regular expressions of pre-tokenizers (Oniguruma's syntax, as `tokenizers` reads them) through ICU.
// pre_tokenizer.h uses the matches.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/tokens/aligned_text.h"

namespace apportion {

class SplitPattern {
 public:
  /// Compiles the expression. Throws UserError with the reason when it is not an expression, or when ICU and
  /// Oniguruma may understand it differently; the message does not repeat the expression.
  explicit SplitPattern(std::string_view expression);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;

  /// For each word of `text`, the places where the expression matches as if the word were all there is, in
  /// order, as bytes of `text`. A byte that is not valid UTF-8 counts as U+FFFD. Throws UserError when ICU
  /// gives up.
  std::vector<std::vector<WordSpan>> matches(std::string_view text, const std::vector<WordSpan>& words) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// The expression in the form that ICU understands the same way: ICU's \s has other characters, and its dot
/// stops at other line ends. Throws UserError for what is not known to be the same in both.
std::string icu_expression(std::string_view expression);

}  // namespace apportion
