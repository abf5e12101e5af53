#include "shared/model_files/finite.h"

#include <algorithm>
#include <cstring>

namespace apportion {
namespace {

/// Whether the IEEE number at `bytes` has all bits of its exponent set.
template <typename Word>
bool is_special(const char* bytes, Word exponent) {
  Word word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return (word & exponent) == exponent;
}

/// Looks at the numbers every `stride` bytes; returns the place of the first that is NaN or infinite.
template <typename Word>
std::optional<uint64_t> find(std::string_view bytes, Word exponent, uint64_t stride, uint64_t first = 0) {
  constexpr uint64_t piece = 4096;  // looked at without a branch, to be as fast as reading
  const uint64_t count = bytes.size() / stride;
  for (uint64_t begin = 0; begin < count; begin += piece) {
    const uint64_t end = std::min(begin + piece, count);
    bool found = false;
    for (uint64_t i = begin; i < end; ++i) found |= is_special(bytes.data() + i * stride + first, exponent);
    for (uint64_t i = begin; found && i < end; ++i) {
      if (is_special(bytes.data() + i * stride + first, exponent)) return i;
    }
  }
  return {};
}

}  // namespace

std::optional<uint64_t> first_not_finite(TensorType type, std::string_view bytes) {
  constexpr uint32_t of_float = 0x7F800000;
  constexpr uint16_t of_half = 0x7C00, of_bfloat = 0x7F80;
  const BlockLayout layout = block_layout(type);
  if (type == TensorType::f32) return find<uint32_t>(bytes, of_float, layout.bytes);
  if (type == TensorType::bf16) return find<uint16_t>(bytes, of_bfloat, layout.bytes);
  std::optional<uint64_t> block;
  for (const uint64_t offset : half_offsets(type)) {
    const auto found = find<uint16_t>(bytes, of_half, layout.bytes, offset);
    if (found && (!block || *found < *block)) block = found;
  }
  if (block) *block *= layout.elements;
  return block;
}

}  // namespace apportion
