// Whether weights are numbers: looks for NaN and infinities in a file's own bytes, before anything is
// computed with them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "shared/model_files/quantization.h"

namespace apportion {

/// The first element of `bytes` (whole elements or blocks of `type`) that is NaN or infinite, or the first of
/// a block whose scale is; nothing when all are numbers.
std::optional<uint64_t> first_not_finite(TensorType type, std::string_view bytes);

}  // namespace apportion
