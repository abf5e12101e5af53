// The two JSON files of a checkpoint: a rank's manifest, which says where in its data file which rows lie and
// what their digests are, and COMPLETE. This only puts them together and takes them apart (both are
// untrusted); checkpoint.h and checkpoint_writer.h decide what is read and written when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// Slices begin at multiples of this in a data file.
inline constexpr uint64_t slice_alignment = 64;
/// A slice has one digest per so many bytes, so that a part of it can be read and checked.
inline constexpr uint64_t digest_block = uint64_t{1} << 20;

enum class ElementType { float32, float64 };

const char* name_of(ElementType type);

/// A tensor that ranks wrote in pieces. A row is everything at one first index.
struct CheckpointTensor {
  std::string name;
  ElementType type = ElementType::float32;
  std::vector<uint64_t> shape;  // at least one axis; the first counts rows

  uint64_t rows() const { return shape.at(0); }
  /// Bytes of a row. Throws std::overflow_error when they do not fit into 63 bits.
  uint64_t row_bytes() const;
  bool operator==(const CheckpointTensor&) const = default;
};

/// Rows [first, last) of a tensor, in bytes [offset, offset + bytes) of a rank's data file.
struct SlicePlace {
  CheckpointTensor tensor;
  uint64_t first = 0, last = 0;
  uint64_t offset = 0, bytes = 0;
  std::vector<std::string> digests;  // SHA-256 of each digest_block bytes of the slice, the last one shorter
};

/// What one of `ranks` ranks wrote.
struct Manifest {
  uint64_t step = 0;
  uint64_t rank = 0, ranks = 1;
  std::vector<SlicePlace> slices;  // one after another, each at the next multiple of slice_alignment

  /// Bytes of the data file.
  uint64_t data_bytes() const;
};

/// Written last: all ranks' parts are there.
struct Completion {
  std::string identity;  // of the task whose state this is
  uint64_t step = 0;
  std::vector<std::string> manifests;  // SHA-256 of each rank's manifest file
};

std::string encode_manifest(const Manifest& manifest);
std::string encode_completion(const Completion& completion);

/// Parses the bytes of the file `path`. The result fits together: sizes, offsets and numbers of digests
/// follow from shapes and rows, and nothing overflows. Throws DataError that names the key.
Manifest parse_manifest(std::string_view bytes, const std::string& path);
/// Like parse_manifest, but first checks the file's own SHA-256, its second line.
Completion parse_completion(std::string_view bytes, const std::string& path);

/// The smallest multiple of slice_alignment that is not below `offset`.
uint64_t aligned(uint64_t offset);

}  // namespace apportion
