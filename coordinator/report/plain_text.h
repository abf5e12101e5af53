// Texts of somebody else's (names of subjects, cells, models) letter by letter, for forms that are read as
// source: LaTeX, Markdown, YAML, Python. Which signs mean something is each form's own to say.
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

/// Of valid UTF-8, which must outlive them.
std::vector<Letter> letters_of(std::string_view text);

/// Bytes of a mark with which the text begins and that turns the direction of the text around it (UAX #9), so
/// that a name could pass for another one; 0: none.
size_t direction_mark(std::string_view text);

/// Control characters, what turns the direction of the text around it, and other signs that nobody sees and
/// that change what is seen.
bool is_unseen(const Letter& letter);

/// On one line: breaks and tabs are blanks; bytes that are no UTF-8, and what is unseen, are U+FFFD.
std::string plain_line(std::string_view text);

/// In double quotes as JSON, YAML and Python read it, with \n, \u202E and the like for what is unseen.
std::string quoted_line(std::string_view text);

}  // namespace apportion
