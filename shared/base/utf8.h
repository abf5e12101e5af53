// UTF-8 (RFC 3629): where a text is none, and text as HDF5 strings can hold it, valid and without NUL.
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

}  // namespace apportion
