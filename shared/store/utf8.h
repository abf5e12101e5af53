// Text as HDF5 strings can hold it: valid UTF-8 without NUL.
#pragma once

#include <string>
#include <string_view>

namespace apportion {

/// `text` with every NUL and every byte that is no part of valid UTF-8 (RFC 3629) replaced by U+FFFD.
std::string storable_text(std::string_view text);

}  // namespace apportion
