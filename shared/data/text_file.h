// Text files that users wrote: checks UTF-8, numbers lines, and points at lines in errors. csv.h and
// templates.h know what the lines mean.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// A line without its end, and its place.
struct TextLine {
  std::string text;
  std::string file;
  size_t line = 0;  // from 1
};

/// Throws UserError "FILE, line N: MESSAGE".
[[noreturn]] void fail_at(const std::string& file, size_t line, const std::string& message);

/// The whole file as a person sees it: without a byte order mark, composed (Unicode's NFC), with a blank for
/// each kind of white space on a line except the ideographic one, and without what is never seen (zero-width
/// spaces, soft hyphens). Throws UserError when it cannot be read, or when a line is not UTF-8 or has a
/// control character.
std::string read_text(const std::string& path);

/// The lines of read_text; LF and CRLF both end a line.
std::vector<TextLine> read_lines(const std::string& path);

/// `text` without white space at either end.
std::string_view trim(std::string_view text);

/// `text` with differences of case and of Unicode composition removed, for comparing names.
std::string fold_case(std::string_view text);

/// `text` without characters that a reader does not see, such as joiners, to tell names apart.
std::string visible_text(std::string_view text);

/// `text` in lower case, whatever the language.
std::string lower_case(std::string_view text);

}  // namespace apportion
