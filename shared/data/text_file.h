// Text files that a user wrote: UTF-8 checked, lines numbered, and errors that point at a line.
// What the lines mean is the business of csv.h and templates.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// A line without its end, and where it stands.
struct TextLine {
  std::string text;
  std::string file;
  size_t line = 0;  // from 1
};

/// Throws UserError "FILE, line N: MESSAGE".
[[noreturn]] void fail_at(const std::string& file, size_t line, const std::string& message);

/// The whole file without a byte order mark, as a person sees it: composed (Unicode's NFC), with a blank for
/// each kind of white space on a line but the ideographic one, and without what is never seen (zero-width
/// spaces, soft hyphens). Throws UserError when it cannot be read, a line is not UTF-8 or has a control
/// character.
std::string read_text(const std::string& path);

/// The lines of read_text; LF and CRLF both end a line.
std::vector<TextLine> read_lines(const std::string& path);

/// `text` without white space at its two ends.
std::string_view trim(std::string_view text);

/// `text` with differences of case and of Unicode composition removed, for comparing names.
std::string fold_case(std::string_view text);

/// `text` without characters that a reader does not see, such as joiners: for telling names apart.
std::string visible_text(std::string_view text);

/// `text` in lower case, whatever the language.
std::string lower_case(std::string_view text);

}  // namespace apportion
