// Linear layers of a frozen base that are stored in int8 or 4 bits: which ggml format that is, how long a row
// is, and how rows become weights of the compute type. Packed rows come from weight_source.h; shard_group.h
// shares them between ranks.
//
// Legend: O outputs, I inputs, B bytes of a packed row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "shared/config/run_config.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// Q8_0 for int8, Q4_1 for q4. Throws InternalError for BaseType::compute, which is not packed.
TensorType packed_type(BaseType type);

/// B: bytes of a row of `inputs` packed weights. Throws UserError unless `inputs` is a multiple of 32.
int64_t packed_row_bytes(BaseType type, int64_t inputs);

/// Unpacks rows (uint8 [O, B]) to weights [O, I] in `compute_type`, on the rows' device: dequantize()'s
/// values, rounded once.
at::Tensor unpacked(const at::Tensor& packed_OB, BaseType type, int64_t inputs, at::ScalarType compute_type);

/// The same in float32 with LibTorch's operations, for devices other than a CPU.
at::Tensor unpacked_by_operations(const at::Tensor& packed_OB, BaseType type);

}  // namespace apportion
