// The shape of a GGUF file's model.
#pragma once

#include "shared/architecture/shape.h"
#include "shared/model_files/gguf.h"

namespace apportion {

/// From the file's metadata. Throws DataError naming a key that is missing or makes no sense, or a tensor
/// that is missing, has another shape, or does not belong to a model of this shape.
ModelShape shape_of(const Gguf& gguf);

/// The scale of scores, which Gemma 2's files do not give: 1 / sqrt(width / heads) for the 27B model, which
/// has 46 blocks, and 1 / sqrt(head_dim) for the others (llama.cpp, src/llama-model.cpp).
double gguf_gemma2_scale(const ModelShape& shape);

}  // namespace apportion
