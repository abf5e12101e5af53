// The shape of a tiny model, and metadata that disagrees with itself or with the tensors.
#include "shared/model_files/gguf_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "shared/base/error.h"
#include "shared/model_files/gguf.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::HasSubstr;

class ShapeTest : public testing::Test {
 protected:
  ShapeTest() : path_(testing::TempDir() + "shape_test_" + std::to_string(::getpid()) + ".gguf") {}
  ~ShapeTest() override { ::unlink(path_.c_str()); }

  ModelShape shape(const std::string& bytes) {
    write_bytes(path_, bytes);
    return shape_of(Gguf(path_));
  }

  std::string error_of(const std::string& bytes) {
    try {
      shape(bytes);
    } catch (const DataError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::string path_;
};

/// The tiny model with the uint32 or float32 value of `key` replaced by `value`'s bits.
template <typename Value>
std::string with_value(const std::string& key, Value value) {
  std::string bytes = tiny_gguf({});
  size_t at = bytes.find(key);
  EXPECT_NE(at, std::string::npos);
  std::memcpy(bytes.data() + at + key.size() + 4, &value, sizeof(value));
  return bytes;
}

TEST_F(ShapeTest, ReadsATinyModel) {
  TinyModel model;
  model.tied_embedding = false;
  model.rope_theta = 5000;
  ModelShape result = shape(tiny_gguf(model));
  EXPECT_EQ(result.architecture, "llama");
  EXPECT_EQ(result.layers, 2);
  EXPECT_EQ(result.width, 64);
  EXPECT_EQ(result.heads, 4);
  EXPECT_EQ(result.kv_heads, 2);
  EXPECT_EQ(result.head_dim, 16);
  EXPECT_EQ(result.ffn_width, 96);
  EXPECT_EQ(result.context_length, 256);
  EXPECT_GT(result.vocabulary, 256);
  EXPECT_EQ(result.rope_theta, 5000);
  EXPECT_NEAR(result.norm_epsilon, 1e-5, 1e-12);
  EXPECT_FALSE(result.tied_embedding);
  EXPECT_TRUE(shape(tiny_gguf({})).tied_embedding);
}

TEST_F(ShapeTest, CountsTheLinearLayersOfAllBlocks) {
  // Per block: q and output 64 x 64, k and v 32 x 64, three of 96 x 64.
  EXPECT_EQ(shape(tiny_gguf({})).block_parameters(), 2 * (2 * 4096 + 2 * 2048 + 3 * 6144));
}

TEST_F(ShapeTest, RefusesSizesThatMakeNoSense) {
  EXPECT_THAT(error_of(with_value("llama.block_count", 0U)), HasSubstr("llama.block_count is 0"));
  EXPECT_THAT(error_of(with_value("llama.block_count", 1000000U)), HasSubstr("llama.block_count is 1000000"));
  EXPECT_THAT(error_of(with_value("llama.embedding_length", UINT32_MAX)),
              HasSubstr("llama.embedding_length is 4294967295"));
  EXPECT_THAT(error_of(with_value("llama.attention.head_count", 5U)), HasSubstr("is not a multiple of"));
  EXPECT_THAT(error_of(with_value("llama.attention.head_count_kv", 3U)), HasSubstr("is not a multiple of"));
  EXPECT_THAT(error_of(with_value("llama.context_length", 0U)), HasSubstr("llama.context_length"));
  EXPECT_THAT(error_of(with_value("llama.rope.dimension_count", 8U)),
              HasSubstr("llama.rope.dimension_count is 8"));
  EXPECT_THAT(error_of(with_value("llama.rope.freq_base", -1.0F)), HasSubstr("not a positive number"));
}

TEST_F(ShapeTest, RefusesTensorsOfAnotherShape) {
  EXPECT_THAT(error_of(with_value("llama.block_count", 3U)), HasSubstr("there is no tensor blk.2."));
  EXPECT_THAT(error_of(with_value("llama.block_count", 1U)),
              HasSubstr("does not belong to a supported llama model"));
  EXPECT_THAT(error_of(with_value("llama.feed_forward_length", 95U)), HasSubstr("[64, 95] is expected"));
  EXPECT_THAT(error_of(with_value("llama.attention.head_count_kv", 1U)), HasSubstr("[16, 64] is expected"));
}

TEST_F(ShapeTest, RefusesOtherArchitectures) {
  EXPECT_THAT(error_of(GgufWriter().text("general.architecture", "phi2").bytes()),
              HasSubstr("general.architecture is phi2; llama, qwen2, qwen3, gemma2, phi3 are supported"));
  EXPECT_THAT(error_of(GgufWriter().bytes()), HasSubstr("there is no metadata key general.architecture"));
}

}  // namespace
}  // namespace apportion
