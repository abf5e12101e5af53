#include "shared/model_files/gguf_names.h"

#include <map>
#include <string_view>

#include "shared/base/error.h"

namespace apportion {

std::string gguf_name(const std::string& name, std::string_view architecture) {
  static const std::map<std::string_view, const char*> names = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
      {"input_layernorm.weight", "attn_norm.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.qkv_proj.weight", "attn_qkv.weight"},
      {"self_attn.q_proj.bias", "attn_q.bias"},
      {"self_attn.k_proj.bias", "attn_k.bias"},
      {"self_attn.v_proj.bias", "attn_v.bias"},
      {"self_attn.q_norm.weight", "attn_q_norm.weight"},
      {"self_attn.k_norm.weight", "attn_k_norm.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
      {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.gate_up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"}};
  constexpr std::string_view blocks = "model.layers.";
  std::string prefix;
  std::string_view part = name;
  if (part.starts_with(blocks)) {
    const size_t dot = part.find('.', blocks.size());
    prefix = "blk." + name.substr(blocks.size(), dot + 1 - blocks.size());
    part.remove_prefix(dot + 1);
  }
  if (architecture == "gemma2" && part == "post_attention_layernorm.weight")
    return prefix + "post_attention_norm.weight";
  const auto found = names.find(part);
  if (found == names.end()) throw InternalError("GGUF files have no name for " + name);
  return prefix + found->second;
}

std::string spell_shape(const std::vector<uint64_t>& shape) {
  std::string text;
  for (uint64_t size : shape) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text + "]";
}

const GgufTensor& gguf_tensor(const Gguf& gguf, const std::string& name, const std::vector<int64_t>& sizes) {
  const GgufTensor& tensor = gguf.tensor(gguf_name(name, gguf.text(architecture_key)));
  const std::vector<uint64_t> right(sizes.begin(), sizes.end());
  if (tensor.shape != right) {
    throw DataError(tensor.path, tensor.offset,
                    "tensor " + tensor.name + " has shape " + spell_shape(tensor.shape) + "; " +
                        spell_shape(right) + " is expected");
  }
  return tensor;
}

bool has_paired_rows(const std::string& architecture, const std::string& name) {
  return architecture == "llama" && (name.ends_with(".q_proj.weight") || name.ends_with(".k_proj.weight"));
}

int64_t paired_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, half = row % head_dim / (head_dim / 2), pair = row % (head_dim / 2);
  return head * head_dim + 2 * pair + half;
}

}  // namespace apportion
