// A block's tensors: what they add up to, and how the layers of one product are stacked.
#include "shared/architecture/block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

const ModelShape grouped{.architecture = "llama",
                         .layers = 3,
                         .width = 64,
                         .heads = 6,
                         .kv_heads = 2,
                         .head_dim = 8,
                         .ffn_width = 96,
                         .vocabulary = 300};

TEST(Block, LayersOfAProductLieOnEachOther) {
  const BlockDescription block = describe_block(grouped);
  const FusedLayers& qkv = block.products.front();
  EXPECT_EQ(inputs_of(qkv), 64);
  EXPECT_EQ(outputs_of(qkv), 48 + 16 + 16);
  EXPECT_EQ(qkv[1].first_row, 48);
  EXPECT_EQ(qkv[2].first_row, 64);
  EXPECT_EQ(qkv[2].target(), "v_proj");
  for (const FusedLayers& product : block.products) {
    for (const LinearLayer& linear : product) EXPECT_EQ(linear.inputs, inputs_of(product)) << linear.name;
  }
}

TEST(Block, TensorsAreAllParameters) {
  for (bool tied : {false, true}) {
    ModelShape shape = grouped;
    shape.tied_embedding = tied;
    int64_t sum = 0;
    for (const auto& [name, sizes] : tensors_of(shape))
      sum += sizes.front() * (sizes.size() > 1 ? sizes[1] : 1);
    EXPECT_EQ(sum, shape.parameters());
    EXPECT_EQ(tensors_of(shape).contains(head_name), !tied);
  }
  EXPECT_EQ(grouped.block_parameters(), 3 * (64 * 80 + 48 * 64 + 3 * 64 * 96));
  EXPECT_EQ(tensors_of(grouped).at("model.layers.2.mlp.down_proj.weight"), (std::vector<int64_t>{64, 96}));
}

// As in transformers' modeling_phi3.py: the same products, each in one tensor.
TEST(Block, Phi3HasItsProductsInOneTensorEach) {
  ModelShape phi = grouped;
  phi.architecture = "phi3";
  const BlockDescription block = describe_block(phi), other = describe_block(grouped);
  ASSERT_EQ(block.products.size(), other.products.size());
  for (size_t i = 0; i < block.products.size(); ++i) {
    EXPECT_EQ(block.products[i].size(), 1U);
    EXPECT_EQ(inputs_of(block.products[i]), inputs_of(other.products[i]));
    EXPECT_EQ(outputs_of(block.products[i]), outputs_of(other.products[i]));
  }
  EXPECT_EQ(tensors_of(phi).at("model.layers.0.self_attn.qkv_proj.weight"), (std::vector<int64_t>{80, 64}));
  EXPECT_EQ(tensors_of(phi).at("model.layers.0.mlp.gate_up_proj.weight"), (std::vector<int64_t>{192, 64}));
  EXPECT_EQ(phi.parameters(), grouped.parameters());
}

TEST(Block, LoraTargetsHaveTheNamesOfPeft) {
  EXPECT_THAT(lora_target_names(), testing::ElementsAre("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
                                                        "up_proj", "down_proj"));
}

}  // namespace
}  // namespace apportion
