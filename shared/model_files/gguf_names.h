// GGUF files' names for the tensors of Hugging Face's folders (llama.cpp, gguf-py/gguf/tensor_mapping.py),
// and the tensors under these names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model_files/gguf.h"

namespace apportion {

/// The key under which a file says which family its model is of.
inline constexpr const char* architecture_key = "general.architecture";

/// "blk.3.attn_q.weight" for "model.layers.3.self_attn.q_proj.weight". Throws InternalError for a name that
/// none of our models has. Gemma2's post_attention_layernorm is another norm than the others' and has another
/// name.
std::string gguf_name(const std::string& name, std::string_view architecture);

/// The divisors of rotations (ModelShape::rope_divisors), which are no tensor in folders.
inline constexpr const char* rope_divisors_name = "rope_freqs.weight";

/// "[576, 64]".
std::string spell_shape(const std::vector<uint64_t>& shape);

/// The file's tensor for one of our names. Throws DataError when it is missing or has other sizes.
const GgufTensor& gguf_tensor(const Gguf& gguf, const std::string& name, const std::vector<int64_t>& sizes);

/// Whether files of the architecture interleave the two halves of a head's rows, which ours have one after
/// the other: q and k of llama, whose rotation pairs are then adjacent.
bool has_paired_rows(const std::string& architecture, const std::string& name);

/// Where such a file has our row; it stays within its head.
int64_t paired_row(int64_t row, int64_t head_dim);

}  // namespace apportion
