// UTF-8 (RFC 3629): where a text is none, and text as HDF5 strings can hold it, valid and without NUL. JSON
// as text, and an untrusted text as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace apportion {

/// The offset of the first byte that is no part of valid UTF-8, or the size when there is none.
size_t first_invalid_byte(std::string_view text);

inline bool is_utf8(std::string_view text) { return first_invalid_byte(text) == text.size(); }

/// `text` with every NUL and every byte that is no part of valid UTF-8 replaced by U+FFFD.
std::string storable_text(std::string_view text);

/// `text` as a message may repeat it: control characters as \n or \x1F, no bytes that are no UTF-8, and of a
/// text of more bytes the beginning with .. behind it.
std::string text_in_message(std::string_view text, size_t most = 300);

/// JSON as text, `indent` blanks a level (-1: on one line); bytes that are no part of valid UTF-8, as names
/// and reasons may have them, become U+FFFD.
template <typename Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// The offset of the first bracket of a JSON text that lies within a hundred others, or the size when there
/// is none. No file has reason to, and what goes through values by recursion would use up the stack.
size_t first_too_deep(std::string_view json);

/// What an untrusted JSON text says; `is_discarded()` where it is no JSON, or too deep.
template <typename Json>
Json parse_json(std::string_view text) {
  if (first_too_deep(text) != text.size()) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

}  // namespace apportion
