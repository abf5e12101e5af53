// Texts from outside (names of subjects, cells, models), letter by letter, for output that is read as source:
// LaTeX, Markdown, YAML, Python. Each format knows its own special characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// A code point and its bytes in UTF-8.
struct Letter {
  char32_t code;
  std::string_view bytes;
};

/// The letters of `text`, which must be valid UTF-8 and outlive them.
std::vector<Letter> letters_of(std::string_view text);

/// The length in bytes of a bidirectional mark (UAX #9) at the start of `text`, which turns the direction of
/// the text around it so that one name could pass for another; 0: none.
size_t direction_mark(std::string_view text);

/// True for control characters, bidirectional marks, and other invisible characters that change what is seen.
bool is_unseen(const Letter& letter);

/// `text` on one line: line breaks and tabs become blanks; bytes that are not UTF-8 and invisible letters
/// become U+FFFD.
std::string plain_line(std::string_view text);

/// `text` in double quotes as JSON, YAML and Python read it, with \n, \u202E and the like for invisible
/// letters.
std::string quoted_line(std::string_view text);

}  // namespace apportion
