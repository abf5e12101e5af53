// A model's shape and tensors, written and read again.
#include "shared/model_files/gguf_export/gguf_shape_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "shared/architecture/block.h"
#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

ModelShape tiny(const std::string& architecture) {
  ModelShape shape{.architecture = architecture,
                   .layers = 2,
                   .width = 32,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 12,
                   .ffn_width = 40,
                   .vocabulary = 5,
                   .context_length = 77,
                   .rope_theta = 50000,
                   .norm_epsilon = 1e-6};
  shape.set_traits();
  if (architecture == "gemma2") {
    shape.attention_scale = gguf_gemma2_scale(shape);
    shape.attention_cap = 50;
    shape.logits_cap = 30;
  }
  return shape;
}

/// The value of a tensor's element: different for each element, and hardly ever shared between tensors.
float value_of(const std::string& name, size_t i) {
  return static_cast<float>(std::hash<std::string>()(name) % 997) + static_cast<float>(i) / 4096;
}

std::vector<float> values_of(const std::string& name, const std::vector<int64_t>& sizes) {
  std::vector<float> values(static_cast<size_t>(sizes[0] * (sizes.size() > 1 ? sizes[1] : 1)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = value_of(name, i);
  return values;
}

std::string written(const DatasetFolder& folder, const ModelShape& shape) {
  const std::string path = folder.path_of("model.gguf");
  std::vector<PlannedTensor> planned;
  if (has_divisors_tensor(shape)) planned.push_back(divisors_tensor(shape));
  for (const auto& [name, sizes] : tensors_of(shape))
    planned.push_back(planned_tensor(shape, name, TensorType::f32));
  GgufFileWriter writer(path, shape_keys(shape), planned);
  if (has_divisors_tensor(shape))
    writer.add(std::vector<float>(shape.rope_divisors.begin(), shape.rope_divisors.end()));
  for (const auto& [name, sizes] : tensors_of(shape)) writer.add(values_of(name, sizes));
  writer.finish();
  return path;
}

TEST(GgufShapeKeys, EveryArchitectureComesBack) {
  const DatasetFolder folder;
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma2", "phi3"}) {
    const ModelShape shape = tiny(architecture);
    const Gguf gguf(written(folder, shape));
    const ModelShape read = shape_of(gguf);
    EXPECT_EQ(read.architecture, architecture);
    EXPECT_EQ(read.context_length, 77);
    EXPECT_EQ(read.head_dim, 12);
    EXPECT_EQ(read.attention_cap, shape.attention_cap);
    EXPECT_EQ(read.logits_cap, shape.logits_cap);
    EXPECT_EQ(read.attention_scale, shape.attention_scale);
    EXPECT_EQ(read.rope_theta, 50000);
    EXPECT_EQ(read.norm_epsilon, static_cast<double>(1e-6F));
    EXPECT_EQ(tensors_of(read), tensors_of(shape));
    const auto tensors = gguf_tensors(gguf, read);
    for (const auto& [name, sizes] : tensors_of(shape)) {
      std::vector<float> right = values_of(name, sizes);
      // The file stores what norms multiply by: 1 + weight.
      if (shape.unit_offset && sizes.size() == 1) {
        for (float& value : right) value -= 1;
      }
      std::vector<float> values(right.size());
      tensors->read_rows(name, 0, sizes[0], values.data());
      EXPECT_EQ(values, right) << architecture << ' ' << name;
    }
  }
}

TEST(GgufShapeKeys, WindowsOfGemma2ComeBack) {
  const DatasetFolder folder;
  ModelShape shape = tiny("gemma2");
  EXPECT_EQ(Gguf(written(folder, shape)).integer("gemma2.attention.sliding_window"), 77U);
  shape.set_window(40, every_other_layer(shape.layers));
  const ModelShape read = shape_of(Gguf(written(folder, shape)));
  EXPECT_EQ(read.context_length, 77);
  EXPECT_EQ(read.window, 40);
  EXPECT_EQ(read.windowed, every_other_layer(shape.layers));
}

TEST(GgufShapeKeys, OfOtherWindowsTheContextEndsAtThem) {
  const DatasetFolder folder;
  for (const char* architecture : {"llama", "qwen2", "gemma2"}) {
    ModelShape shape = tiny(architecture);
    shape.set_window(40, std::vector<bool>(static_cast<size_t>(shape.layers), true));
    const ModelShape read = shape_of(Gguf(written(folder, shape)));
    EXPECT_EQ(read.context_length, 40) << architecture;
    EXPECT_EQ(read.window, 0) << architecture;
  }
}

/// Renamed to another architecture's, the key is missing.
TEST(GgufShapeKeys, APhi3WithoutAWindowIsRefused) {
  const DatasetFolder folder;
  const std::string path = written(folder, tiny("phi3")), key = "phi3.attention.sliding_window";
  std::string bytes = read_file(path);
  bytes.replace(bytes.find(key), key.size(), "phi4" + key.substr(4));
  write_file(path, bytes);
  EXPECT_THAT([&] { shape_of(Gguf(path)); },
              ThrowsMessage<DataError>(HasSubstr("there is no phi3.attention.sliding_window, and a phi3")));
}

TEST(GgufShapeKeys, ScaledRotationsComeBack) {
  const DatasetFolder folder;
  ModelShape shape = tiny("llama");
  shape.rope_divisors.assign(6, 4);
  EXPECT_EQ(shape_of(Gguf(written(folder, shape))).rope_divisors, shape.rope_divisors);
  shape.rope_divisors = llama3_divisors(12, shape.rope_theta, {.original_context = 64});
  const std::vector<double> read = shape_of(Gguf(written(folder, shape))).rope_divisors;
  ASSERT_EQ(read.size(), 6U);
  for (size_t i = 0; i < read.size(); ++i)
    EXPECT_EQ(read[i], static_cast<double>(static_cast<float>(shape.rope_divisors[i])));
  shape.architecture = "qwen2";
  EXPECT_THAT([&] { shape_keys(shape); }, ThrowsMessage<UserError>(HasSubstr("GGUF files of qwen2 have no")));
  shape = tiny("gemma2");
  shape.attention_cap = 0;
  EXPECT_THAT([&] { shape_keys(shape); }, ThrowsMessage<UserError>(HasSubstr("without a cap")));
}

TEST(GgufShapeKeys, RowsThatAreNoWholeBlocksAreHalves) {
  const ModelShape shape = tiny("llama");
  auto type_of = [&](const char* name) { return planned_tensor(shape, name, TensorType::q8_0).type; };
  EXPECT_EQ(type_of("model.layers.1.mlp.up_proj.weight"), TensorType::q8_0);   // 32 inputs
  EXPECT_EQ(type_of("model.layers.1.mlp.down_proj.weight"), TensorType::f16);  // 40 inputs
  EXPECT_EQ(type_of("model.norm.weight"), TensorType::f32);
}

}  // namespace
}  // namespace apportion
