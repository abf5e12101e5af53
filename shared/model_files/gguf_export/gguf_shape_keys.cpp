#include "shared/model_files/gguf_export/gguf_shape_keys.h"

#include <cmath>

#include "shared/architecture/block.h"
#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/gguf_shape.h"

namespace apportion {

bool has_divisors_tensor(const ModelShape& shape) { return !is_linear(shape.rope_divisors); }

PlannedTensor divisors_tensor(const ModelShape& shape) {
  return {rope_divisors_name, TensorType::f32, {static_cast<int64_t>(shape.rope_divisors.size())}};
}

GgufMetadata shape_keys(const ModelShape& shape) {
  const std::string& architecture = shape.architecture;
  if (has_divisors_tensor(shape) && architecture != "llama")
    throw UserError("the model's rotations are scaled in a way that GGUF files of " + architecture +
                    " have no place for; linear scaling has one");
  GgufMetadata metadata;
  metadata.text(architecture_key, architecture);
  auto natural = [&](const char* name, int64_t value) {
    metadata.natural(architecture + "." + name, static_cast<uint32_t>(value));
  };
  // The files only have a place for gemma2's windows. Elsewhere the context ends at the window
  // (gguf_shape.cpp).
  const bool has_place = architecture == "gemma2" && shape.windowed == every_other_layer(shape.layers);
  const int64_t context = shape.window == 0 || has_place ? shape.context_length : shape.window;
  natural("block_count", shape.layers);
  natural("context_length", context);
  natural("embedding_length", shape.width);
  natural("feed_forward_length", shape.ffn_width);
  natural("attention.head_count", shape.heads);
  natural("attention.head_count_kv", shape.kv_heads);
  natural("attention.key_length", shape.head_dim);
  natural("attention.value_length", shape.head_dim);
  natural("rope.dimension_count", shape.head_dim);
  natural("vocab_size", shape.vocabulary);
  metadata.number(architecture + ".attention.layer_norm_rms_epsilon", shape.norm_epsilon)
      .number(architecture + ".rope.freq_base", shape.rope_theta);
  if (architecture == "gemma2") {
    if (std::abs(shape.attention_scale / gguf_gemma2_scale(shape) - 1) > 1e-6)
      throw UserError(
          "the model's scores are scaled in a way that GGUF files of gemma2 have no place for "
          "(query_pre_attn_scalar)");
    if (shape.attention_cap == 0 || shape.logits_cap == 0)
      throw UserError(
          "the model computes without a cap that GGUF files of gemma2 always have "
          "(attn_logit_softcapping, final_logit_softcapping)");
    metadata.number("gemma2.attn_logit_softcapping", shape.attention_cap)
        .number("gemma2.final_logit_softcapping", shape.logits_cap);
  }
  if (architecture == "gemma2" || architecture == "phi3")  // these always have one
    natural("attention.sliding_window", has_place ? shape.window : context);
  if (!shape.rope_divisors.empty() && is_linear(shape.rope_divisors)) {
    metadata.text(architecture + ".rope.scaling.type", "linear")
        .number(architecture + ".rope.scaling.factor", shape.rope_divisors.front());
  }
  return metadata;
}

PlannedTensor planned_tensor(const ModelShape& shape, const std::string& name, TensorType type) {
  PlannedTensor planned{gguf_name(name, shape.architecture), TensorType::f32, tensors_of(shape).at(name)};
  if (planned.sizes.size() == 1) return planned;
  const auto columns = static_cast<uint64_t>(planned.sizes[1]);
  planned.type = columns % block_layout(type).elements == 0 ? type : TensorType::f16;
  if (has_paired_rows(shape.architecture, name)) planned.head_dim = shape.head_dim;
  return planned;
}

}  // namespace apportion
