// From an answer's text to its category: the last whole-word, case-insensitive mention of a category's name.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

inline constexpr int unparsed = -1;

/// Compiled names (and synonyms) of a dataset's categories. Words are Unicode's (ICU).
class CategoryParser {
 public:
  explicit CategoryParser(const std::vector<Category>& categories);
  ~CategoryParser();
  CategoryParser(CategoryParser&&) noexcept;

  /// The category last mentioned in `text` (of two mentions that overlap the longer counts), or `unparsed`.
  int parse(std::string_view text) const;

 private:
  struct Names;
  std::unique_ptr<Names> names_;
};

}  // namespace apportion
