// How wide a text is on a terminal: characters as people see them (ICU's grapheme clusters), with two columns
// for East Asian characters and emoji. The report lays out its text by this.
#pragma once

#include <cstddef>
#include <string_view>

namespace apportion {

/// A character with all that belongs to it: combining marks, joined emoji.
struct SeenCharacter {
  size_t bytes;
  int columns;  // 0 to 2
};

/// The first character of `text`, which must not be empty. A byte that is not UTF-8 is a character of its
/// own.
SeenCharacter first_character(std::string_view text);

}  // namespace apportion
