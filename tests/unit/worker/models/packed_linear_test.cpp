// Packed linear layers: a file's rows stay as they are; unpacked, they are the file's values in the compute
// type, on the host and by operations; and a model on a packed base.
#include "worker/models/packed_linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "shared/base/error.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"
#include "tests/support/worker/test_device.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

constexpr const char* layers[] = {
    "model.layers.1.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
    "model.layers.1.self_attn.v_proj.weight", "model.layers.0.mlp.down_proj.weight"};

class PackedLinear : public ::testing::TestWithParam<BaseType> {
 protected:
  /// A file whose linear layers have this type: the one that the base asks for, or float32.
  const Gguf& file(TensorType type) {
    TinyModel tiny;
    tiny.linear_type = type;
    write_tiny_gguf(folder_.path_of("tiny.gguf"), tiny);
    gguf_ = std::make_unique<Gguf>(folder_.path_of("tiny.gguf"));
    return *gguf_;
  }

 private:
  testing::DatasetFolder folder_;
  std::unique_ptr<Gguf> gguf_;
};
INSTANTIATE_TEST_SUITE_P(Types, PackedLinear, ::testing::Values(BaseType::int8, BaseType::q4));

TEST_P(PackedLinear, RowsOfAFileStayAsTheyAre) {
  const Gguf& gguf = file(packed_type(GetParam()));
  const auto source = std::make_unique<WeightSource>(gguf_tensors(gguf, shape_of(gguf)));
  for (const char* name : layers) {
    const int64_t rows = source->sizes(name)[0], inputs = source->sizes(name)[1];
    const at::Tensor packed = source->packed_rows(name, 0, rows, packed_type(GetParam()));
    EXPECT_EQ(packed.sizes(), (at::IntArrayRef{rows, packed_row_bytes(GetParam(), inputs)}));
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      EXPECT_TRUE(at::equal(unpacked(packed, GetParam(), inputs, type), source->whole(name).to(type)))
          << name;
    }
    EXPECT_TRUE(at::equal(unpacked_by_operations(packed, GetParam()), source->whole(name))) << name;
    const std::string_view bytes = gguf.tensor(gguf_name(name, "llama")).bytes;
    const bool in_order = std::memcmp(packed.data_ptr(), bytes.data(), bytes.size()) == 0;
    EXPECT_EQ(in_order, std::string(name).find(".q_proj.") + std::string(name).find(".k_proj.") ==
                            2 * std::string::npos);
  }
}

TEST_P(PackedLinear, OtherRowsArePackedAlikeInAnySplit) {
  const Gguf& gguf = file(TensorType::f32);
  const ModelShape synthetic =
      parse_shape("shape:layers=2,width=64,heads=2,ffn=96,vocabulary=512,context=256");
  for (const auto& source : {std::make_unique<WeightSource>(gguf_tensors(gguf, shape_of(gguf))),
                             std::make_unique<WeightSource>(synthetic_tensors(synthetic))}) {
    for (const char* name : layers) {
      const int64_t rows = source->sizes(name)[0], inputs = source->sizes(name)[1];
      const at::Tensor whole = source->packed_rows(name, 0, rows, packed_type(GetParam()));
      const at::Tensor parts = at::cat({source->packed_rows(name, 0, 5, packed_type(GetParam())),
                                        source->packed_rows(name, 5, rows, packed_type(GetParam()))});
      EXPECT_TRUE(at::equal(whole, parts)) << name;
      const at::Tensor values = source->whole(name), near = unpacked(whole, GetParam(), inputs, at::kFloat);
      // Half a step of the block with the widest range, plus the rounding of scale and minimum.
      const double range = (values.max() - values.min()).item<double>();
      const double step = range / (GetParam() == BaseType::q4 ? 15 : 127);
      EXPECT_LE((near - values).abs().max().item<double>(), 0.5 * step + range * 0x1p-10) << name;
      EXPECT_FALSE(at::equal(near, values)) << name;
    }
  }
}

TEST_P(PackedLinear, AModelOnAPackedFileIsTheModel) {
  const Gguf& gguf = file(packed_type(GetParam()));
  const ModelShape shape = shape_of(gguf);
  const auto source = std::make_unique<WeightSource>(gguf_tensors(gguf, shape));
  TokenTree tree;
  tree.add_path(no_node, {3, 14, 15, 9, 2, 6});
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const TokenRows rows = token_rows(tree, {0, 1, 2, 3, 4, 5}, packed_block_rows, shape, test_device());
    const Llama plain(*source, shape, type, test_device());
    const at::Tensor hidden = plain.hidden(rows, nullptr);
    for (BasePlace place : {BasePlace::memory, BasePlace::file}) {
      const Llama packed(*source, shape, type, test_device(), {nullptr, false, place}, GetParam());
      EXPECT_FALSE(packed.is_whole());
      for (int repeat = 0; repeat < 2; ++repeat) EXPECT_TRUE(at::equal(packed.hidden(rows, nullptr), hidden));
    }
    const Llama left(*source, shape, type, test_device(), {nullptr, false, BasePlace::file});
    EXPECT_TRUE(at::equal(left.hidden(rows, nullptr), hidden));
    EXPECT_FALSE(left.is_whole());
  }
}

TEST_P(PackedLinear, AliveAreThePackedBaseAndABlock) {
  const ModelShape shape =
      parse_shape("shape:layers=8,width=64,heads=2,ffn=96,vocabulary=512,context=256,tied=true");
  const auto source = std::make_unique<WeightSource>(synthetic_tensors(shape));
  const int64_t before = base_memory().live, block = shape.block_parameters() / 8, table = 4 * 512 * 64;
  TokenTree tree;
  tree.add_path(no_node, {3, 14, 15});
  const TokenRows rows = token_rows(tree, {0, 1, 2}, packed_block_rows, shape, test_device());
  {
    const Llama packed(*source, shape, at::kFloat, test_device(), {}, GetParam());
    const int64_t stored = 8 * block * (GetParam() == BaseType::q4 ? 20 : 34) / 32;
    EXPECT_NEAR(static_cast<double>(base_memory().live - before - table - stored), 0, 8 * 4 * 64);
    reset_base_memory_peak();
    packed.hidden(rows, nullptr);
    EXPECT_NEAR(static_cast<double>(base_memory().peak - before - table - stored - 4 * block), 0, 8 * 4 * 64);
  }
  EXPECT_EQ(base_memory().live, before);
  {
    const Llama left(*source, shape, at::kFloat, test_device(), {nullptr, false, BasePlace::file},
                     GetParam());
    EXPECT_EQ(base_memory().live, before);
    reset_base_memory_peak();
    left.hidden(rows, nullptr);
    EXPECT_LE(base_memory().peak - before, 2 * block * 34 / 32 + 4 * block + 2 * table);
    EXPECT_EQ(base_memory().live, before);
  }
  EXPECT_EQ(base_memory().live, before);
}

TEST_P(PackedLinear, LayersThatAreNoMultipleOfABlockAreRefused) {
  const ModelShape shape = parse_shape("shape:layers=1,width=64,heads=2,ffn=90,vocabulary=512,context=256");
  const auto source = std::make_unique<WeightSource>(synthetic_tensors(shape));
  EXPECT_THROW(Llama(*source, shape, at::kFloat, test_device(), {}, GetParam()), UserError);
}

}  // namespace
}  // namespace apportion
