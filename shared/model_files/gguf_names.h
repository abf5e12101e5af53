// What GGUF files call a tensor that Hugging Face's folders have (llama.cpp, gguf-py/gguf/tensor_mapping.py),
// and the tensor itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model_files/gguf.h"

namespace apportion {

/// "blk.3.attn_q.weight" of "model.layers.3.self_attn.q_proj.weight". Throws InternalError for a name that
/// none of our models has. What gemma2 calls post_attention_layernorm is another norm than the others' and
/// has another name.
std::string gguf_name(const std::string& name, std::string_view architecture);

/// The divisors of rotations (ModelShape::rope_divisors), which folders do not have as a tensor.
inline constexpr const char* rope_divisors_name = "rope_freqs.weight";

/// "[576, 64]".
std::string spell_shape(const std::vector<uint64_t>& shape);

/// The file's tensor of that name of ours. Throws DataError when there is none, or one of other sizes.
const GgufTensor& gguf_tensor(const Gguf& gguf, const std::string& name, const std::vector<int64_t>& sizes);

/// Whether files of the architecture have the two halves of a head's rows in turn, where ours have one behind
/// the other: q and k of llama, whose pairs of the rotation then lie side by side.
bool has_paired_rows(const std::string& architecture, const std::string& name);

/// Where such a file has our row, which stays within its head.
int64_t paired_row(int64_t row, int64_t head_dim);

}  // namespace apportion
