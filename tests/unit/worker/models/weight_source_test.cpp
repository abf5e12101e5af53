// Rows of both sources: any split gives the whole, a file's values are the file's in Hugging Face's order,
// and synthetic ones are of the right scale and independent of who asks.
#include "worker/models/weight_source.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <tuple>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model/shape_text.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

/// The tensor in the file's own order.
at::Tensor unpacked(const Gguf& gguf, const std::string& name) {
  const GgufTensor& tensor = gguf.tensor(name);
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
  const std::string name = "blk.0.ffn_up.weight", path = whole.path();
  std::string bytes = read_file(path);
  constexpr size_t block = 34, blocks_of_row = 2, row = 5;
  const size_t at = bytes.find(whole.tensor(name).bytes) + (row * blocks_of_row + 1) * block;
  bytes[at] = 0;
  bytes[at + 1] = 0x7C;  // infinity
  write_bytes(path, bytes);
  const Gguf damaged(path);
  const auto source = gguf_weights(damaged, shape);
  EXPECT_NO_THROW(source->rows(name, 0, row));
  for (const std::string& said :
       {testing::error_of([&] { source->whole(name); }),
        testing::error_of([&] { source->rows(name, row, 8); }),
        testing::error_of([&] { source->packed_rows(name, 2, 8, TensorType::q8_0); })}) {
    EXPECT_NE(said.find("tensor " + name + " has a NaN or an infinity in row 5;"), std::string::npos) << said;
  }
}

TEST_F(GgufWeightsTest, NoticesAFileThatBecameShorter) {
  const Gguf& whole = file(TensorType::f32, TensorType::f32);
  const auto source = gguf_weights(whole, shape_of(whole));
  ASSERT_EQ(::truncate(whole.path().c_str(), static_cast<off_t>(file_size(whole.path()) - 4)), 0);
  const std::string said = testing::error_of([&] { source->whole("output.weight"); });
  EXPECT_NE(said.find("the file became shorter while it was read"), std::string::npos) << said;
}

TEST_F(GgufWeightsTest, AnySplitIsTheWhole) {
  for (TensorType type : {TensorType::f32, TensorType::q4_1, TensorType::q8_0}) {
    const Gguf& gguf = file(type, TensorType::q8_0);
    const ModelShape shape = shape_of(gguf);
    expect_splits_equal_the_whole(*gguf_weights(gguf, shape), shape);
  }
}

TEST_F(GgufWeightsTest, ValuesAreTheFilesWithTheOrderOfRotationUndone) {
  const Gguf& gguf = file(TensorType::q4_1, TensorType::f16);
  const ModelShape shape = shape_of(gguf);
  const auto source = gguf_weights(gguf, shape);
  for (const char* name : {"token_embd.weight", "output.weight", "output_norm.weight", "blk.1.attn_v.weight",
                           "blk.0.attn_output.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_down.weight"}) {
    EXPECT_TRUE(at::equal(source->whole(name), unpacked(gguf, name))) << name;
  }
  for (auto [name, heads] :
       {std::pair("blk.1.attn_q.weight", shape.heads), std::pair("blk.0.attn_k.weight", shape.kv_heads)}) {
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
  EXPECT_THROW(gguf_weights(gguf, shape)->whole("blk.0.ffn_up.weight"), DataError);
  EXPECT_THROW(gguf_weights(gguf, shape)->whole("blk.2.ffn_up.weight"), InternalError);
  EXPECT_THROW(gguf_weights(gguf, shape)->rows("output_norm.weight", 0, 65), InternalError);
}

TEST(SyntheticWeights, AnySplitIsTheWhole) {
  // Widths that are no multiple of eight, so that a row's last block is a part of one.
  const ModelShape shape = parse_shape("shape:layers=2,width=60,heads=6,kv_heads=2,ffn=90,vocabulary=300");
  expect_splits_equal_the_whole(*synthetic_weights(shape), shape);
}

TEST(SyntheticWeights, AreScaledByTheirInputs) {
  const ModelShape shape = parse_shape("shape:layers=1,width=512,heads=8,ffn=1024,vocabulary=600");
  const auto source = synthetic_weights(shape);
  for (auto [name, inputs] :
       {std::pair("token_embd.weight", 512.0), std::pair("blk.0.ffn_down.weight", 1024.0)}) {
    const at::Tensor values = source->whole(name);
    EXPECT_NEAR(values.std().item<double>() * std::sqrt(inputs), 1, 0.01) << name;
    EXPECT_NEAR(values.mean().item<double>() * std::sqrt(inputs), 0, 0.01) << name;
    EXPECT_LE(values.abs().max().item<double>() * std::sqrt(inputs / 3), 1) << name;
  }
  EXPECT_TRUE(at::equal(source->whole("blk.0.attn_norm.weight"), at::ones({512})));
}

TEST(SyntheticWeights, RowsTensorsAndHalvesOfAWordAreUnrelated) {
  const ModelShape shape = parse_shape("shape:layers=2,width=512,heads=8,ffn=1024,vocabulary=600");
  const auto source = synthetic_weights(shape);
  const at::Tensor q = source->whole("blk.0.attn_q.weight");
  auto correlation = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a * b).mean() / (a.std() * b.std())).item<double>();
  };
  // 2^18 pairs: 0.01 is five standard deviations.
  EXPECT_NEAR(correlation(q, source->whole("blk.0.attn_k.weight")), 0, 0.01);
  EXPECT_NEAR(correlation(q, source->whole("blk.1.attn_q.weight")), 0, 0.01);
  EXPECT_NEAR(correlation(q.narrow(0, 0, 511), q.narrow(0, 1, 511)), 0, 0.01);
  EXPECT_NEAR(correlation(q.narrow(1, 0, 511), q.narrow(1, 1, 511)), 0, 0.01);
}

TEST(SyntheticWeights, AreAFunctionOfNameRowAndColumn) {
  const ModelShape shape = parse_shape("shape:layers=1,width=64,heads=4,ffn=96,vocabulary=300");
  const ModelShape deeper = parse_shape("shape:layers=9,width=64,heads=4,ffn=96,vocabulary=900");
  const at::Tensor rows = synthetic_weights(shape)->rows("token_embd.weight", 100, 200);
  EXPECT_TRUE(at::equal(rows, synthetic_weights(deeper)->rows("token_embd.weight", 100, 200)));
  // Computed by an independent Philox: results that name these weights rest on them.
  const at::Tensor all = synthetic_weights(shape)->whole("token_embd.weight");
  for (auto [row, column, value] :
       {std::tuple(0, 0, 0.4882049560546875), std::tuple(100, 9, 0.1438140869140625),
        std::tuple(299, 62, 0.1607208251953125)}) {
    EXPECT_NEAR(all[row][column].item<double>(), value * std::sqrt(3.0 / 64), 1e-7) << row << ", " << column;
  }
}

}  // namespace
}  // namespace apportion
