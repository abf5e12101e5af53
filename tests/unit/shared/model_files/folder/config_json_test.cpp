// config.json: what is read, and that anything that would change the mathematics is refused by its key.
#include "shared/model_files/folder/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json llama() {
  return {{"model_type", "llama"},
          {"hidden_size", 64},
          {"intermediate_size", 96},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-6},
          {"hidden_act", "silu"},
          {"vocab_size", 400},
          {"rope_theta", 5000.0}};
}

class ConfigJson : public ::testing::Test {
 protected:
  ModelShape read_text(const std::string& text) {
    write_file(path_, text);
    return read_config(path_);
  }
  ModelShape read(json config, const json& changes = json::object()) {
    config.update(changes);
    return read_text(config.dump());
  }
  /// The error for a llama with these changes, without the file's name.
  std::string refused(const json& changes) {
    try {
      read(llama(), changes);
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), ::testing::StartsWith(path_ + ": "));
      return std::string(error.what()).substr(path_.size() + 2);
    }
    return "no error";
  }

  testing::DatasetFolder folder_;
  std::string path_ = folder_.path_of("config.json");
};

TEST_F(ConfigJson, SizesAreReadAndWhatIsLeftOutFollows) {
  ModelShape shape = read(llama());
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.layers, 2);
  EXPECT_EQ(shape.head_dim, 16);
  EXPECT_EQ(shape.vocabulary, 400);
  EXPECT_EQ(shape.rope_theta, 5000);
  EXPECT_EQ(shape.norm_epsilon, 1e-6);
  EXPECT_FALSE(shape.tied_embedding || shape.qkv_bias || shape.qk_norm);
  EXPECT_TRUE(shape.rope_divisors.empty());
  json config = llama();
  config.erase("num_key_value_heads");
  shape = read(config, {{"head_dim", 24}, {"tie_word_embeddings", true}});
  EXPECT_EQ(shape.kv_heads, 4);
  EXPECT_EQ(shape.head_dim, 24);
  EXPECT_TRUE(shape.tied_embedding);
}

TEST_F(ConfigJson, ArchitecturesDifferInTheirVectors) {
  EXPECT_TRUE(read(llama(), {{"model_type", "qwen2"}, {"use_sliding_window", false}, {"sliding_window", 64}})
                  .qkv_bias);
  EXPECT_TRUE(read(llama(), {{"model_type", "qwen3"}}).qk_norm);
  EXPECT_EQ(read(llama(), {{"model_type", "mistral"}, {"sliding_window", nullptr}}).architecture, "llama");
}

TEST_F(ConfigJson, Gemma2SaysWhatItComputes) {
  const json gemma = {{"model_type", "gemma2"},
                      {"hidden_activation", "gelu_pytorch_tanh"},
                      {"head_dim", 16},
                      {"query_pre_attn_scalar", 64},
                      {"attn_logit_softcapping", 50.0},
                      {"final_logit_softcapping", nullptr},
                      {"cache_implementation", "hybrid"},
                      {"sliding_window", 32}};
  const ModelShape shape = read(llama(), gemma);
  EXPECT_TRUE(shape.output_norms && shape.unit_offset && shape.tied_embedding);
  EXPECT_EQ(shape.activation, Activation::gelu);
  EXPECT_EQ(shape.embedding_scale, 8);  // for a width of 64
  EXPECT_EQ(shape.attention_scale, 0.125);
  EXPECT_EQ(shape.attention_cap, 50);
  EXPECT_EQ(shape.logits_cap, 0);
  EXPECT_EQ(shape.context_length, 128);
  EXPECT_EQ(shape.window, 32);
  EXPECT_EQ(shape.windowed, (std::vector<bool>{true, false}));
  json with = gemma;  // as in gemma-2-9b-it
  with["sliding_window_size"] = 32;
  EXPECT_EQ(read(llama(), with).window, 32);
  with["sliding_window_size"] = 64;
  EXPECT_THAT(refused(with), HasSubstr("sliding_window_size differs from"));
  json without = gemma;
  without.erase("final_logit_softcapping");
  EXPECT_THAT(refused(without), HasSubstr("final_logit_softcapping is missing"));
  without = gemma;
  without["hidden_activation"] = "gelu";
  EXPECT_THAT(refused(without), HasSubstr("\"gelu_pytorch_tanh\" is supported"));
  EXPECT_THAT(refused({{"query_pre_attn_scalar", 64}}), HasSubstr("belongs to a gemma2 model"));
}

// As in Phi-3-mini-4k-instruct; as transformers 5 writes it; and the 128k models, which scale by text length.
TEST_F(ConfigJson, Phi3SaysWhatItComputes) {
  const json phi = {{"model_type", "phi3"},
                    {"auto_map",
                     {{"AutoConfig", "configuration_phi3.Phi3Config"},
                      {"AutoModelForCausalLM", "modeling_phi3.Phi3ForCausalLM"}}},
                    {"embd_pdrop", 0.0},
                    {"resid_pdrop", 0.1},
                    {"original_max_position_embeddings", 128},
                    {"rope_scaling", nullptr},
                    {"sliding_window", 63}};
  const ModelShape shape = read(llama(), phi);
  EXPECT_EQ(shape.architecture, "phi3");
  EXPECT_EQ(shape.window, 63);
  EXPECT_EQ(shape.windowed, std::vector<bool>(2, true));
  EXPECT_FALSE(shape.tied_embedding || shape.qkv_bias || shape.qk_norm || shape.output_norms);
  auto with = [&](const json& changes) {
    json config = phi;
    config.update(changes);
    return refused(config);
  };
  EXPECT_EQ(with({{"rope_parameters",
                   {{"rope_type", "default"}, {"rope_theta", 5000.0}, {"partial_rotary_factor", 1.0}}}}),
            "no error");
  EXPECT_EQ(with({{"partial_rotary_factor", 1.0}}), "no error");
  EXPECT_THAT(with({{"partial_rotary_factor", 0.75}}), HasSubstr("partial_rotary_factor is not supported"));
  EXPECT_THAT(with({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.75}}}}),
              HasSubstr("rope_parameters has partial_rotary_factor, which"));
  EXPECT_THAT(with({{"rope_scaling", {{"type", "longrope"}, {"short_factor", {1, 1}}}}}),
              HasSubstr("rope_scaling has the type \"longrope\""));
  EXPECT_THAT(with({{"auto_map", {{"AutoModelForCausalLM", "modeling_phi4.Phi4ForCausalLM"}}}}),
              HasSubstr("auto_map is not supported"));
  EXPECT_THAT(refused({{"original_max_position_embeddings", 128}}), HasSubstr("is not supported"));
}

/// What a shape of two layers says about its window.
using Windows = std::pair<int64_t, std::vector<bool>>;
Windows windows_of(const ModelShape& shape) {
  EXPECT_EQ(shape.context_length, 128);
  return {shape.window, shape.windowed};
}

TEST_F(ConfigJson, AWindowIsInTheLayersThatTransformersGivesIt) {
  const Windows none = {0, {}}, both = {64, {true, true}}, second = {64, {false, true}};
  const json listed = {"full_attention", "sliding_attention"}, full = {"full_attention", "full_attention"};
  json mistral = llama();
  mistral.update({{"model_type", "mistral"}, {"sliding_window", 64}});
  EXPECT_EQ(windows_of(read(mistral)), both);
  EXPECT_EQ(windows_of(read(mistral, {{"sliding_window", 128}})), none);  // the context ends within it
  EXPECT_EQ(windows_of(read(mistral, {{"sliding_window", nullptr}})), none);
  EXPECT_EQ(windows_of(read(mistral, {{"sliding_window", nullptr}, {"layer_types", full}})), none);
  json without = mistral;
  without.erase("sliding_window");
  without["max_position_embeddings"] = 8192;
  EXPECT_EQ(read(without).window, 4096);
  for (const char* type : {"qwen2", "qwen3"}) {
    json qwen = llama();
    qwen.update({{"model_type", type}, {"use_sliding_window", true}, {"sliding_window", 64}});
    EXPECT_EQ(windows_of(read(qwen)), none);  // from block 28 on
    EXPECT_EQ(windows_of(read(qwen, {{"max_window_layers", 0}})), both);
    EXPECT_EQ(windows_of(read(qwen, {{"max_window_layers", 1}})), second);
    EXPECT_EQ(windows_of(read(qwen, {{"layer_types", listed}})), second);
    EXPECT_EQ(windows_of(read(qwen, {{"use_sliding_window", false}, {"max_window_layers", 0}})), none);
  }
}

TEST_F(ConfigJson, AWindowThatFitsNoModelIsRefused) {
  const json listed = {"full_attention", "sliding_attention"};
  const json mistral = {{"model_type", "mistral"}, {"sliding_window", 64}};
  auto with = [&](json change) {
    change.update(mistral);
    return refused(change);
  };
  EXPECT_THAT(with({{"layer_types", listed}}), HasSubstr("layer_types is not what a mistral or phi3 model"));
  EXPECT_THAT(with({{"layer_types", {"full_attention"}}}), HasSubstr("is a list of 1; a list of 2"));
  EXPECT_THAT(with({{"use_sliding_window", true}}), HasSubstr("not a key of a gemma2 or mistral model"));
  EXPECT_THAT(refused({{"model_type", "qwen2"}, {"layer_types", listed}}), HasSubstr("no sliding_window is"));
  EXPECT_THAT(refused({{"model_type", "qwen2"}, {"use_sliding_window", true}, {"max_window_layers", -1}}),
              HasSubstr("max_window_layers is -1"));
}

// transformers computes a llama without windows; other programs may read the key.
TEST_F(ConfigJson, TheContextOfALlamaEndsAtAWindow) {
  EXPECT_EQ(read(llama(), {{"sliding_window", 64}}).context_length, 64);
  EXPECT_EQ(read(llama(), {{"sliding_window", 64}}).window, 0);
  EXPECT_EQ(read(llama(), {{"sliding_window", 64}, {"use_sliding_window", false}}).context_length, 128);
}

TEST_F(ConfigJson, RotationsAsVersions4And5WriteThem) {
  const json scaling = {{"rope_type", "linear"}, {"factor", 4.0}};
  EXPECT_EQ(read(llama(), {{"rope_scaling", scaling}}).rope_divisors, std::vector<double>(8, 4));
  EXPECT_EQ(read(llama(), {{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}).rope_divisors,
            std::vector<double>(8, 4));
  json config = llama();
  config.erase("rope_theta");
  const ModelShape shape =
      read(config, {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 70.0}}}});
  EXPECT_EQ(shape.rope_theta, 70);
  EXPECT_TRUE(shape.rope_divisors.empty());
}

// Fast rotations stay, slow ones are divided by the factor, and those between are in between (these values
// are transformers').
TEST_F(ConfigJson, Llama3SlowsTheSlowTurnsDown) {
  const json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  const ModelShape shape = read(llama(), {{"rope_scaling", scaling}, {"rope_theta", 10000.0}});
  const std::vector<double> frequencies = rope_frequencies(shape);
  ASSERT_EQ(frequencies.size(), 8u);
  EXPECT_EQ(frequencies[0], 1);
  EXPECT_NEAR(frequencies[1], 0.24438, 1e-5);
  EXPECT_NEAR(frequencies[2], 0.013042, 1e-6);
  EXPECT_NEAR(frequencies[7], 3.9528e-05, 1e-9);
  EXPECT_GT(shape.rope_divisors[1], 1);
  EXPECT_LT(shape.rope_divisors[1], 8);
}

TEST_F(ConfigJson, WhatIsNotComputedIsNamed) {
  struct Case {
    json changes;
    const char* line;
  };
  for (const Case& wrong : {
           Case{{{"model_type", "phi"}},
                "model_type is \"phi\"; llama, qwen2, qwen3, gemma2, phi3 and mistral are supported"},
           Case{{{"hidden_act", "gelu"}}, "hidden_act is \"gelu\"; \"silu\" is supported"},
           Case{{{"attention_bias", true}}, "attention_bias is true"},
           Case{{{"mlp_bias", true}}, "mlp_bias is not supported"},
           Case{{{"partial_rotary_factor", 0.5}}, "partial_rotary_factor is not supported"},
           Case{{{"quantization_config", {{"bits", 4}}}}, "quantization_config is not supported"},
           Case{{{"layer_types", {"full_attention", "chunked_attention"}}},
                "layer_types has \"chunked_attention\""},
           Case{{{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}}}},
                "rope_scaling has the type \"yarn\""},
           Case{{{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4}, {"beta", 2}}}},
                "rope_scaling has beta"},
           Case{{{"rope_scaling", {{"rope_type", "linear"}}}}, "factor is null; a number above 0"},
           Case{{{"rope_scaling", 7}}, "rope_scaling is 7; an object"},
           Case{{{"rope_scaling", {{"rope_type", 7}}}}, "rope_scaling has the type 7"},
           Case{{{"hidden_act", 7}}, "hidden_act is 7"},
           Case{{{"layer_types", "full_attention"}}, "layer_types is \"full_attention\"; a list"},
           Case{{{"hidden_size", 0}}, "hidden_size is 0; 1 to 1048576"},
           Case{{{"hidden_size", -64}}, "hidden_size is -64"},
           Case{{{"hidden_size", "64"}}, "hidden_size is \"64\""},
           Case{{{"num_hidden_layers", 1e9}}, "num_hidden_layers is 1000000000.0"},
           Case{{{"num_attention_heads", 5}}, "hidden_size is not a multiple of num_attention_heads"},
           Case{{{"num_key_value_heads", 3}}, "num_attention_heads is not a multiple of num_key_value_heads"},
           Case{{{"head_dim", 17}}, "head_dim is 17; rotary positions need pairs"},
           Case{{{"rms_norm_eps", 0}}, "rms_norm_eps is 0; a number above 0"},
           Case{{{"tie_word_embeddings", 1}}, "tie_word_embeddings is 1; true or false"},
           Case{{{"rope_theta", "fast"}}, "rope_theta is \"fast\""},
       }) {
    EXPECT_THAT(refused(wrong.changes), HasSubstr(wrong.line)) << wrong.changes.dump();
  }
  EXPECT_THAT(testing::error_of([&] { read_text("[1]"); }), HasSubstr(", byte 0: is not a JSON object"));
  EXPECT_THAT(testing::error_of([&] { read_text("{"); }), HasSubstr(", byte 1: is not JSON"));
  EXPECT_THROW(read_text(R"({"model_type": ["llama"]})"), UserError);
  EXPECT_EQ(refused({{"pretraining_tp", 1}, {"attention_dropout", 0.1}, {"auto_map", nullptr}}), "no error");
}

/// Lists of so many layers' tensors took 5 GB.
TEST_F(ConfigJson, LayersAreNoMoreThanAnyModelHas) {
  EXPECT_EQ(read(llama(), {{"num_hidden_layers", 4096}}).layers, 4096);
  EXPECT_EQ(refused({{"num_hidden_layers", 1 << 20}}), "num_hidden_layers is 1048576; 1 to 4096 is expected");
}

/// A stranger's 100 KB file that would exhaust the stack.
TEST_F(ConfigJson, ListsThatLieTooDeepAreRefused) {
  const std::string lists = std::string(50'000, '[') + std::string(50'000, ']');
  EXPECT_THAT(testing::error_of([&] { read_text(R"({"model_type": )" + lists + "}"); }),
              HasSubstr("lists and objects are nested more than 100 deep"));
}

TEST_F(ConfigJson, WhatTransformersWritesOfAGgufFileIsTaken) {
  EXPECT_EQ(refused({{"_model_name_or_path", "SmolLM2"}, {"unk_token_id", 0}}), "no error");
}

}  // namespace
}  // namespace apportion
