// UTF-8 (RFC 3629): where a text is not valid, and text that HDF5 strings can hold, valid and without NUL.
// Also JSON as text, and untrusted text as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace apportion {

/// The offset of the first byte that is not part of valid UTF-8, or the size when there is none.
size_t first_invalid_byte(std::string_view text);

inline bool is_utf8(std::string_view text) { return first_invalid_byte(text) == text.size(); }

/// `text` with U+FFFD for every NUL and every byte that is not part of valid UTF-8.
std::string storable_text(std::string_view text);

/// `text` for use in a message: control characters as \n or \x1F, no invalid UTF-8, and text of more than
/// `most` bytes cut there, followed by "..".
std::string text_in_message(std::string_view text, size_t most = 300);

/// JSON as text, with `indent` blanks per level (-1: on one line); bytes that are not part of valid UTF-8,
/// which names and reasons may have, become U+FFFD.
template <typename Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// The offset of the first bracket nested within a hundred others in a JSON text, or the size when there is
/// none. No file needs such depth, and recursion over its values would use up the stack.
size_t first_too_deep(std::string_view json);

/// Parses an untrusted JSON text; `is_discarded()` when it is not JSON, or nested too deep.
template <typename Json>
Json parse_json(std::string_view text) {
  if (first_too_deep(text) != text.size()) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

}  // namespace apportion
