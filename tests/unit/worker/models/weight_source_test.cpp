// Rows from both sources: any split gives the whole, a file's values come in Hugging Face's order, and
// synthetic ones have the right scale and do not depend on who asks.
#include "worker/models/weight_source.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <tuple>

#include "shared/architecture/block.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

/// The tensor in the file's own order.
at::Tensor unpacked(const Gguf& gguf, const std::string& name) {
  const GgufTensor& tensor = gguf.tensor(gguf_name(name, "llama"));
  std::vector<int64_t> sizes(tensor.shape.begin(), tensor.shape.end());
  at::Tensor values = at::empty(sizes, at::kFloat);
  dequantize(tensor.type, tensor.bytes, tensor.elements(), values.data_ptr<float>());
  return values;
}

void expect_splits_equal_the_whole(const WeightSource& source, const ModelShape& shape) {
  for (const auto& [name, sizes] : tensors_of(shape)) {
    const at::Tensor whole = source.whole(name);
    ASSERT_EQ(whole.size(0), static_cast<int64_t>(sizes[0])) << name;
    for (int64_t parts : {2, 3, 7}) {
      std::vector<at::Tensor> rows;
      for (int64_t part = 0; part < parts; ++part) {
        rows.push_back(source.rows(name, whole.size(0) * part / parts, whole.size(0) * (part + 1) / parts));
      }
      EXPECT_TRUE(at::equal(at::cat(rows), whole)) << name << " in " << parts;
    }
    EXPECT_EQ(source.rows(name, 1, 1).numel(), 0) << name;
  }
}

class GgufWeightsTest : public ::testing::Test {
 protected:
  const Gguf& file(TensorType type, TensorType embedding) {
    TinyModel tiny;
    tiny.linear_type = type;
    tiny.embedding_type = embedding;
    tiny.tied_embedding = false;
    if (block_layout(type).elements > 32) {
      tiny.width = 256;
      tiny.ffn_width = 512;
    }
    write_tiny_gguf(folder_.path_of("tiny.gguf"), tiny);
    gguf_ = std::make_unique<Gguf>(folder_.path_of("tiny.gguf"));
    return *gguf_;
  }

 private:
  testing::DatasetFolder folder_;
  std::unique_ptr<Gguf> gguf_;
};

TEST_F(GgufWeightsTest, NamesATensorWithAScaleThatIsNoNumber) {
  const Gguf& whole = file(TensorType::q8_0, TensorType::f32);
  const ModelShape shape = shape_of(whole);
  const std::string name = "model.layers.0.mlp.up_proj.weight", path = whole.path();
  std::string bytes = read_file(path);
  constexpr size_t block = 34, blocks_of_row = 2, row = 5;
  const size_t at =
      bytes.find(whole.tensor(gguf_name(name, "llama")).bytes) + (row * blocks_of_row + 1) * block;
  bytes[at] = 0;
  bytes[at + 1] = 0x7C;  // infinity
  write_bytes(path, bytes);
  const Gguf damaged(path);
  const auto source = std::make_unique<WeightSource>(gguf_tensors(damaged, shape));
  EXPECT_NO_THROW(source->rows(name, 0, row));
  for (const std::string& said :
       {testing::error_of([&] { source->whole(name); }),
        testing::error_of([&] { source->rows(name, row, 8); }),
        testing::error_of([&] { source->packed_rows(name, 2, 8, TensorType::q8_0); })}) {
    EXPECT_NE(said.find("tensor " + gguf_name(name, "llama") + " has a NaN or an infinity in row 5;"),
              std::string::npos)
        << said;
  }
}

TEST_F(GgufWeightsTest, NoticesAFileThatBecameShorter) {
  const Gguf& whole = file(TensorType::f32, TensorType::f32);
  const auto source = std::make_unique<WeightSource>(gguf_tensors(whole, shape_of(whole)));
  ASSERT_EQ(::truncate(whole.path().c_str(), static_cast<off_t>(file_size(whole.path()) - 4)), 0);
  const std::string said = testing::error_of([&] { source->whole("lm_head.weight"); });
  EXPECT_NE(said.find("the file became shorter while it was read"), std::string::npos) << said;
}

TEST_F(GgufWeightsTest, AnySplitIsTheWhole) {
  for (TensorType type : all_tensor_types()) {
    const Gguf& gguf = file(type, TensorType::q8_0);
    const ModelShape shape = shape_of(gguf);
    expect_splits_equal_the_whole(WeightSource(gguf_tensors(gguf, shape)), shape);
  }
}

TEST_F(GgufWeightsTest, ValuesAreTheFilesWithTheOrderOfRotationUndone) {
  const Gguf& gguf = file(TensorType::q4_1, TensorType::f16);
  const ModelShape shape = shape_of(gguf);
  const auto source = std::make_unique<WeightSource>(gguf_tensors(gguf, shape));
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                           "model.layers.1.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
                           "model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.down_proj.weight"}) {
    EXPECT_TRUE(at::equal(source->whole(name), unpacked(gguf, name))) << name;
  }
  for (auto [name, heads] : {std::pair("model.layers.1.self_attn.q_proj.weight", shape.heads),
                             std::pair("model.layers.0.self_attn.k_proj.weight", shape.kv_heads)}) {
    at::Tensor permuted = unpacked(gguf, name);
    at::Tensor right =
        permuted.view({heads, shape.head_dim / 2, 2, shape.width}).transpose(1, 2).reshape(permuted.sizes());
    EXPECT_TRUE(at::equal(source->whole(name), right)) << name;
    EXPECT_FALSE(at::equal(source->whole(name), permuted)) << name;
  }
}

TEST_F(GgufWeightsTest, AnotherShapeThanTheFilesIsAnError) {
  const Gguf& gguf = file(TensorType::f32, TensorType::f32);
  ModelShape shape = shape_of(gguf);
  shape.ffn_width = 95;
  EXPECT_THROW(WeightSource(gguf_tensors(gguf, shape)).whole("model.layers.0.mlp.up_proj.weight"), DataError);
  EXPECT_THROW(WeightSource(gguf_tensors(gguf, shape)).whole("model.layers.2.mlp.up_proj.weight"),
               InternalError);
  EXPECT_THROW(WeightSource(gguf_tensors(gguf, shape)).rows("model.norm.weight", 0, 65), InternalError);
}

TEST(SyntheticWeights, AnySplitIsTheWhole) {
  // Widths that are not multiples of eight, so that a row's last block is incomplete.
  const ModelShape shape = parse_shape("shape:layers=2,width=60,heads=6,kv_heads=2,ffn=90,vocabulary=300");
  expect_splits_equal_the_whole(WeightSource(synthetic_tensors(shape)), shape);
}

TEST(SyntheticWeights, AreScaledByTheirInputs) {
  const ModelShape shape = parse_shape("shape:layers=1,width=512,heads=8,ffn=1024,vocabulary=600");
  const auto source = std::make_unique<WeightSource>(synthetic_tensors(shape));
  for (auto [name, inputs] : {std::pair("model.embed_tokens.weight", 512.0),
                              std::pair("model.layers.0.mlp.down_proj.weight", 1024.0)}) {
    const at::Tensor values = source->whole(name);
    EXPECT_NEAR(values.std().item<double>() * std::sqrt(inputs), 1, 0.01) << name;
    EXPECT_NEAR(values.mean().item<double>() * std::sqrt(inputs), 0, 0.01) << name;
    EXPECT_LE(values.abs().max().item<double>() * std::sqrt(inputs / 3), 1) << name;
  }
  EXPECT_TRUE(at::equal(source->whole("model.layers.0.input_layernorm.weight"), at::ones({512})));
}

TEST(SyntheticWeights, RowsTensorsAndHalvesOfAWordAreUnrelated) {
  const ModelShape shape = parse_shape("shape:layers=2,width=512,heads=8,ffn=1024,vocabulary=600");
  const auto source = std::make_unique<WeightSource>(synthetic_tensors(shape));
  const at::Tensor q = source->whole("model.layers.0.self_attn.q_proj.weight");
  auto correlation = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a * b).mean() / (a.std() * b.std())).item<double>();
  };
  // With 2^18 pairs, 0.01 is five standard deviations.
  EXPECT_NEAR(correlation(q, source->whole("model.layers.0.self_attn.k_proj.weight")), 0, 0.01);
  EXPECT_NEAR(correlation(q, source->whole("model.layers.1.self_attn.q_proj.weight")), 0, 0.01);
  EXPECT_NEAR(correlation(q.narrow(0, 0, 511), q.narrow(0, 1, 511)), 0, 0.01);
  EXPECT_NEAR(correlation(q.narrow(1, 0, 511), q.narrow(1, 1, 511)), 0, 0.01);
}

TEST(SyntheticWeights, AreAFunctionOfNameRowAndColumn) {
  const ModelShape shape = parse_shape("shape:layers=1,width=64,heads=4,ffn=96,vocabulary=300");
  const ModelShape deeper = parse_shape("shape:layers=9,width=64,heads=4,ffn=96,vocabulary=900");
  const at::Tensor rows = WeightSource(synthetic_tensors(shape)).rows("model.embed_tokens.weight", 100, 200);
  EXPECT_TRUE(
      at::equal(rows, WeightSource(synthetic_tensors(deeper)).rows("model.embed_tokens.weight", 100, 200)));
  // Computed by an independent Philox: results that name these weights depend on them.
  const at::Tensor all = WeightSource(synthetic_tensors(shape)).whole("model.embed_tokens.weight");
  for (auto [row, column, value] :
       {std::tuple(0, 0, 0.4882049560546875), std::tuple(100, 9, 0.1438140869140625),
        std::tuple(299, 62, 0.1607208251953125)}) {
    EXPECT_NEAR(all[row][column].item<double>(), value * std::sqrt(3.0 / 64), 1e-7) << row << ", " << column;
  }
}

}  // namespace
}  // namespace apportion
