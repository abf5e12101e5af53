// Linear layers of a frozen base that are stored in int8 or 4 bits: which ggml format that is, how long a row
// gets, and how rows become weights of the compute type. Where packed rows come from is weight_source.h's,
// how ranks share them shard_group.h's business.
//
// Legend: O outputs, I inputs, B bytes of a packed row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "shared/config/run_config.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// int8: Q8_0, q4: Q4_1. Throws InternalError for BaseType::compute, which is not packed.
TensorType packed_type(BaseType type);

/// B: bytes of a row of `inputs` packed weights. Throws UserError unless they are a multiple of 32.
int64_t packed_row_bytes(BaseType type, int64_t inputs);

/// The weights [O, I] in `compute_type` of packed rows (uint8 [O, B]), on the device of the rows: the values
/// that dequantize() gives, rounded once.
at::Tensor unpacked(const at::Tensor& packed_OB, BaseType type, int64_t inputs, at::ScalarType compute_type);

/// The same in float32 with LibTorch's operations, for devices other than a CPU.
at::Tensor unpacked_by_operations(const at::Tensor& packed_OB, BaseType type);

}  // namespace apportion
