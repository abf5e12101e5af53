// Named and spelled-out shapes: parameter counts against published ones, and a clear line for each mistake.
#include "shared/model_files/shape_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/architecture/block.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::string& text) {
  try {
    parse_shape(text);
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  return "no error";
}

TEST(ShapeText, CountsWhatModelCardsState) {
  EXPECT_EQ(parse_shape("shape:smollm2-135m").parameters(), 134'515'008);
  EXPECT_EQ(parse_shape("shape:llama-2-7b").parameters(), 6'738'415'616);
  EXPECT_EQ(parse_shape("shape:llama-3.2-1b").parameters(), 1'235'814'400);
  EXPECT_EQ(parse_shape("shape:llama-3.1-8b").parameters(), 8'030'261'248);
  EXPECT_EQ(parse_shape("shape:llama-3.1-70b").parameters(), 70'553'706'496);
  EXPECT_EQ(parse_shape("shape:llama-3.1-405b").parameters(), 405'853'388'800);
  // Qwen2.5-7B has 7,615,616,512; the biases of q, k and v are (28 + 2 * 4) * 128 per layer.
  EXPECT_EQ(parse_shape("shape:qwen2.5-7b-like").parameters(), 7'615'616'512 - 28 * 36 * 128);
}

TEST(ShapeText, RoundNamesAreNearTheirSize) {
  for (auto [name, size] :
       {std::pair("350m", 350e6), std::pair("1b", 1e9), std::pair("3b", 3e9), std::pair("8b", 8e9)}) {
    const auto parameters = static_cast<double>(parse_shape(std::string("shape:") + name).parameters());
    EXPECT_NEAR(parameters / size, 1, 0.1) << name;
  }
}

TEST(ShapeText, TensorsHoldAllParameters) {
  for (const std::string& name : shape_names()) {
    const ModelShape shape = parse_shape("shape:" + name);
    uint64_t elements = 0;
    for (const auto& [tensor, sizes] : tensors_of(shape)) {
      uint64_t product = 1;
      for (int64_t size : sizes) product *= static_cast<uint64_t>(size);
      elements += product;
    }
    EXPECT_EQ(elements, static_cast<uint64_t>(shape.parameters())) << name;
  }
}

TEST(ShapeText, ReadsSizes) {
  const ModelShape shape = parse_shape(
      "shape:layers=3,width=96,heads=6,kv_heads=2,ffn=160,vocabulary=512,context=128,tied=true,rope_theta="
      "5e4");
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.layers, 3);
  EXPECT_EQ(shape.width, 96);
  EXPECT_EQ(shape.heads, 6);
  EXPECT_EQ(shape.kv_heads, 2);
  EXPECT_EQ(shape.head_dim, 16);
  EXPECT_EQ(shape.ffn_width, 160);
  EXPECT_EQ(shape.vocabulary, 512);
  EXPECT_EQ(shape.context_length, 128);
  EXPECT_EQ(shape.rope_theta, 5e4);
  EXPECT_TRUE(shape.tied_embedding);
  const ModelShape few = parse_shape("shape:layers=1,width=64,heads=4,ffn=96");
  EXPECT_EQ(few.kv_heads, 4);
  EXPECT_EQ(few.vocabulary, 49152);
  EXPECT_EQ(few.context_length, 8192);
  EXPECT_FALSE(few.tied_embedding);
  EXPECT_EQ(parse_shape("shape:layers=1,width=64,heads=3,head_dim=32,ffn=96").head_dim, 32);
}

TEST(ShapeText, ANamedShapeTakesChanges) {
  const ModelShape shape = parse_shape("shape:llama-3.1-8b,layers=4,vocabulary=49152");
  EXPECT_EQ(shape.layers, 4);
  EXPECT_EQ(shape.vocabulary, 49152);
  EXPECT_EQ(shape.width, 4096);
  EXPECT_EQ(shape.kv_heads, 8);
}

TEST(ShapeText, CanonicalTextParsesBackToItself) {
  for (const std::string& name : shape_names()) {
    const std::string text = canonical_shape(parse_shape("shape:" + name));
    EXPECT_EQ(canonical_shape(parse_shape(text)), text);
  }
  EXPECT_EQ(canonical_shape(parse_shape("shape:ffn=96,heads=4,width=64,layers=1")),
            "shape:layers=1,width=64,heads=4,kv_heads=4,head_dim=16,ffn=96,vocabulary=49152,context=8192,"
            "tied=false,"
            "rope_theta=10000");
}

TEST(ShapeText, MistakesSayWhatWouldBeRight) {
  EXPECT_THAT(error_of("shape:"), HasSubstr("names no shape"));
  EXPECT_THAT(error_of("shape:llama-3.1-80b"),
              AllOf(HasSubstr("the nearest is llama-3.1-8"), HasSubstr("smollm2-135m, 350m")));
  EXPECT_THAT(error_of("shape:8b,"), HasSubstr("has '' where key=value is expected"));
  EXPECT_THAT(error_of("shape:layers=2,widht=64"), HasSubstr("unknown key 'widht'; did you mean width?"));
  EXPECT_THAT(error_of("shape:layers=2,layers=3"), HasSubstr("gives layers twice"));
  EXPECT_THAT(error_of("shape:layers=2,width=64,heads=4"), HasSubstr("needs ffn=N"));
  EXPECT_THAT(error_of("shape:8b,layers=0"), HasSubstr("layers='0'; an integer from 1 to 4096"));
  EXPECT_THAT(error_of("shape:8b,width=1e9"), HasSubstr("width='1e9'"));
  EXPECT_THAT(error_of("shape:8b,ffn=99999999999999999999"), HasSubstr("ffn="));
  EXPECT_THAT(error_of("shape:8b,vocabulary=10"), HasSubstr("from 256 to"));
  EXPECT_THAT(error_of("shape:8b,tied=yes"), HasSubstr("true or false is expected"));
  EXPECT_THAT(error_of("shape:8b,rope_theta=0"), HasSubstr("a number above 0"));
  EXPECT_THAT(error_of("shape:8b,kv_heads=5"), HasSubstr("not a multiple of kv_heads=5"));
  EXPECT_THAT(error_of("shape:8b,heads=24"), HasSubstr("give head_dim=N"));
  EXPECT_THAT(error_of("shape:8b,head_dim=31"), HasSubstr("heads of size 31"));
}

}  // namespace
}  // namespace apportion
