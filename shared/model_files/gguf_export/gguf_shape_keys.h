// What a GGUF file says about a model's shape, and how it stores the model's tensors: the reverse of
// gguf_shape.h and gguf_tensors.cpp.
#pragma once

#include <string>

#include "shared/architecture/shape.h"
#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/model_files/gguf_export/gguf_writer.h"

namespace apportion {

/// The keys of the architecture, including general.architecture. Throws UserError for rotations or scores
/// that are scaled in a way that its files have no place for.
GgufMetadata shape_keys(const ModelShape& shape);

/// Whether the file has the rotations' divisors as a tensor of their own, rope_divisors_name: when they are
/// scaled as in Llama 3.1. Linear scaling is a key.
bool has_divisors_tensor(const ModelShape& shape);
PlannedTensor divisors_tensor(const ModelShape& shape);

/// The tensor `name` (architecture/block.h) in the file: a matrix in `type`, or in F16 when its rows are not
/// whole blocks of it; a vector in F32.
PlannedTensor planned_tensor(const ModelShape& shape, const std::string& name, TensorType type);

}  // namespace apportion
