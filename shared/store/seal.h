// The first 512 bytes of every file in the store: size and SHA-256 of everything after them, as text.
//
// HDF5's own checksums do not cover its heap of strings, and its library may crash on damaged metadata, so a
// file is proven intact before the library sees it. HDF5 calls such a place the user block.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace apportion {

inline constexpr size_t seal_size = 512;

/// The 512 bytes that go in front of `body`.
std::string make_seal(std::string_view body);

/// Throws DataError for `path` unless its `bytes` are a seal followed by the body it was made for.
void check_seal(const std::string& path, std::string_view bytes);

}  // namespace apportion
