// Models without a file: `model = shape:NAME` or `shape:layers=32,width=4096,...`, a llama-family shape by
// name or by its sizes. Their weights are synthetic (tensor_reader.h); model_files.h has the shapes of files.
#pragma once

#include <string>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// The model whose tokenizer and chat template a shape borrows.
inline constexpr const char* tokenizer_of_shapes = "smollm2";

/// Whether a value of the key `model` names a shape.
bool is_shape_text(const std::string& model);

/// The names that may follow "shape:".
std::vector<std::string> shape_names();

/// The shape of "shape:NAME", "shape:NAME,key=value,..." (a named shape with some sizes changed) or
/// "shape:key=value,...". Keys: layers, width, heads, ffn (needed without a name), kv_heads (heads),
/// head_dim (width / heads), vocabulary (49152), context (8192), tied (false), rope_theta (10000).
/// Throws UserError that says what is wrong and what would be right; an unknown name names the nearest.
ModelShape parse_shape(const std::string& text);

/// A shape's one canonical text, "shape:" and all its keys, which parse_shape reads back.
std::string canonical_shape(const ModelShape& shape);

}  // namespace apportion
