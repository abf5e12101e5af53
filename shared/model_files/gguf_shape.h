// The shape of a GGUF file's model.
#pragma once

#include "shared/architecture/shape.h"
#include "shared/model_files/gguf.h"

namespace apportion {

/// From the file's metadata; throws DataError naming the key that is absent or makes no sense, or the tensor
/// that a model of this shape does not have, lacks, or has in another shape.
ModelShape shape_of(const Gguf& gguf);

/// The scale of scores, which Gemma 2's files do not say: of the 27B model, which has 46 blocks, it is
/// 1 / sqrt(width / heads), of the others 1 / sqrt(head_dim) (llama.cpp, src/llama-model.cpp).
double gguf_gemma2_scale(const ModelShape& shape);

}  // namespace apportion
