// GGUF's tensor names, for every tensor that a model has.
#include "shared/model_files/gguf_names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "shared/architecture/block.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

TEST(GgufNames, AreOneForEachTensor) {
  EXPECT_EQ(gguf_name("model.layers.12.self_attn.o_proj.weight", "llama"), "blk.12.attn_output.weight");
  EXPECT_EQ(gguf_name("lm_head.weight", "llama"), "output.weight");
  const ModelShape shape{.architecture = "llama",
                         .layers = 2,
                         .width = 8,
                         .heads = 2,
                         .kv_heads = 1,
                         .head_dim = 4,
                         .ffn_width = 6};
  std::set<std::string> names;
  for (const auto& [name, sizes] : tensors_of(shape)) names.insert(gguf_name(name, "llama"));
  EXPECT_EQ(names.size(), 2 * 9 + 3U);
  ModelShape gemma = shape;
  gemma.architecture = "gemma2";
  gemma.set_traits();
  names.clear();
  for (const auto& [name, sizes] : tensors_of(gemma)) names.insert(gguf_name(name, "gemma2"));
  EXPECT_EQ(names.size(), 2 * 11 + 3U);
  EXPECT_TRUE(names.contains("blk.1.post_attention_norm.weight") && names.contains("blk.1.ffn_norm.weight"));
  ModelShape phi = shape;
  phi.architecture = "phi3";
  names.clear();
  for (const auto& [name, sizes] : tensors_of(phi)) names.insert(gguf_name(name, "phi3"));
  EXPECT_EQ(names.size(), 2 * 6 + 3U);
  EXPECT_TRUE(names.contains("blk.1.attn_qkv.weight") && names.contains("blk.1.ffn_up.weight"));
  EXPECT_THROW(gguf_name("model.layers.0.mlp.gate.weight", "llama"), InternalError);
}

}  // namespace
}  // namespace apportion
