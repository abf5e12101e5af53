// How wide a text is on a terminal: characters as people see them (ICU's grapheme clusters), of which those
// of East Asia and emoji take two columns. What is laid out by it is the report's business.
#pragma once

#include <cstddef>
#include <string_view>

namespace apportion {

/// A character with all that belongs to it: combining marks, joined emoji.
struct SeenCharacter {
  size_t bytes;
  int columns;  // 0 to 2
};

/// The first character of `text`, which is not empty. A byte that is not UTF-8 is one of its own.
SeenCharacter first_character(std::string_view text);

}  // namespace apportion
