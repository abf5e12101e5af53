// Models without a file: `model = shape:NAME` or `shape:layers=32,width=4096,...`, a llama-family shape by
// name or by its sizes. Their weights are synthetic (worker/models/weight_source.h); a file's shape is
// shape.h's.
#pragma once

#include <string>
#include <vector>

#include "shared/model/shape.h"

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

/// The one text of a shape: "shape:" and all its keys. parse_shape takes it back.
std::string canonical_shape(const ModelShape& shape);

/// The file whose tokenizer a model uses: its own, or tokenizer_of_shapes'. Throws what find_model does.
std::string tokenizer_file(const std::string& model);

/// What a task's identity says of the model: the digest of its file, or of a shape's canonical text with the
/// digest of the file that its tokens come from. Throws what parse_shape and Gguf do.
std::string model_digest(const std::string& model);

/// The shape of any value of the key `model`. Throws what parse_shape, Gguf and shape_of do.
ModelShape shape_of_model(const std::string& model);

}  // namespace apportion
