// Keys that can change what a llama model computes, with values that do not change it and values that do.
#include "shared/model_files/key_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "shared/base/error.h"
#include "shared/model_files/gguf.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;
using ::testing::HasSubstr;

/// The error for a llama model's metadata with these additional keys.
std::string complaint(const std::function<void(GgufWriter&)>& add) {
  DatasetFolder folder;
  GgufWriter writer;
  writer.text("general.architecture", "llama")
      .unsigned_integer("llama.context_length", 256)
      .unsigned_integer("llama.embedding_length", 64)
      .unsigned_integer("llama.attention.head_count", 4);
  add(writer);
  const std::string path = folder.write("m.gguf", writer.bytes());
  return error_of([&] { Gguf gguf(path); });
}

std::string number(const std::string& key, float value) {
  return complaint([&](GgufWriter& writer) { writer.number(key, value); });
}

std::string text(const std::string& key, const std::string& value) {
  return complaint([&](GgufWriter& writer) { writer.text(key, value); });
}

TEST(KeyRules, OfScaledRotationsTakesLinearOnes) {
  const std::string old = "llama.rope.scale_linear", factor = "llama.rope.scaling.factor";
  EXPECT_THAT(number(old, 4), HasSubstr(old + " is 4, which is not supported; 1 is"));
  for (const char* type : {"none", "linear"}) {
    EXPECT_EQ(complaint([&](GgufWriter& writer) {
                writer.text("llama.rope.scaling.type", type).number(factor, 4);
              }),
              "no error");
  }
  for (const std::string& key : {old, factor}) EXPECT_EQ(number(key, 1), "no error");
  EXPECT_EQ(number(factor, 4), "no error");
  EXPECT_THAT(number(factor, -4), HasSubstr(factor + " is -4"));
  EXPECT_THAT(text("llama.rope.scaling.type", "yarn"), HasSubstr("llama.rope.scaling.type is yarn"));
}

TEST(KeyRules, RefusesEveryOtherValueThatChangesTheMathematics) {
  for (const char* key : {"logit_scale", "embedding_scale", "residual_scale", "attention.output_scale"}) {
    const std::string whole = std::string("llama.") + key;
    EXPECT_THAT(number(whole, 0.5), HasSubstr(whole + " is 0.5, which is not supported; 1 is"));
    EXPECT_EQ(number(whole, 1), "no error");
    EXPECT_EQ(number(whole, 0), "no error");
  }
  for (const char* key : {"expert_count", "expert_used_count", "attn_logit_softcapping",
                          "final_logit_softcapping", "attention.max_alibi_bias", "attention.clamp_kqv"}) {
    const std::string whole = std::string("llama.") + key;
    EXPECT_THAT(number(whole, 8), HasSubstr(whole + " is 8, which is not supported; 0 is"));
    EXPECT_EQ(number(whole, 0), "no error");
  }
  EXPECT_THAT(number("llama.attention.scale", 0.5), HasSubstr("1 / sqrt(the size of a head)"));
  EXPECT_EQ(number("llama.attention.scale", 0.25), "no error");  // heads have width 16
  EXPECT_THAT(text("llama.tensor_data_layout", "other"), HasSubstr("llama.tensor_data_layout is other"));
  const auto causal = [](char value) {
    return complaint([&](GgufWriter& writer) { writer.raw("llama.attention.causal", 7, {&value, 1}); });
  };
  EXPECT_THAT(causal(0), HasSubstr("llama.attention.causal is 0"));
  EXPECT_EQ(causal(1), "no error");
}

TEST(KeyRules, RefusesWhatNobodyKnowsYet) {
  EXPECT_THAT(number("llama.attention.new_idea", 1), HasSubstr("llama.attention.new_idea is not supported"));
  EXPECT_EQ(number("general.new_idea", 1), "no error");
}

TEST(KeyRules, RefusesFilesThatHoldNoModel) {
  EXPECT_THAT(text("general.type", "mmproj"), HasSubstr("general.type is mmproj"));
  EXPECT_THAT(number("general.quantization_version", 1), HasSubstr("an old way of packing"));
}

}  // namespace
}  // namespace apportion
