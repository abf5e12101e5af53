// Whether weights are numbers: NaN and infinities are looked for in a file's own bytes, before anything is
// computed with them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "shared/model_files/quantization.h"

namespace apportion {

/// The first element of `bytes` (whole elements or blocks of `type`) that is NaN or infinite, or the first of
/// a block with such a scale; nothing where all are numbers.
std::optional<uint64_t> first_not_finite(TensorType type, std::string_view bytes);

}  // namespace apportion
