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

/// The whole file without a byte order mark. Throws UserError when it cannot be read or a line is not UTF-8.
std::string read_text(const std::string& path);

/// The lines of read_text; LF and CRLF both end a line.
std::vector<TextLine> read_lines(const std::string& path);

/// `text` without spaces and tabs at its two ends.
std::string_view trim(std::string_view text);

/// `text` with differences of case and of Unicode composition removed, for comparing names.
std::string fold_case(std::string_view text);

/// `text` in lower case, whatever the language.
std::string lower_case(std::string_view text);

}  // namespace apportion
