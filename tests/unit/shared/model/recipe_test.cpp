// The rules of the one recipe, and which settings are left to them.
#include "shared/model/recipe.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

RecipeInput known() {
  LoraConfig lora;
  lora.alpha = 128;
  return {576, lora, AdapterKind::lora, OptimizerKind::adamw, 1680};
}

TEST(Recipe, WhatTheRulesStartFrom) {
  const Recipe recipe = recipe_of(known());
  EXPECT_EQ(recipe.sft_steps, 420);
  EXPECT_DOUBLE_EQ(recipe.sft_learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(recipe.calibrate_learning_rate, 3e-5);
  RecipeInput input = known();
  input.untuned = true;
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 1e-4);
}

TEST(Recipe, MuonsAreTheFormerRecipes) {
  RecipeInput input = known();
  input.optimizer = OptimizerKind::muon;
  input.lora.alpha = 256;
  input.prompts = 560;
  EXPECT_EQ(recipe_of(input).sft_steps, 40);
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 5e-5);
}

TEST(Recipe, AWiderModelAndALargerAlphaHaveLowerRates) {
  RecipeInput input = known();
  input.width = 4 * input.width;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 5e-4);
  input.lora.alpha = 32;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 3e-5);
  input.lora.alpha = 8;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 2e-3);
  input = known();
  input.lora.alpha = 32;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 2e-3);
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 6e-5);
}

TEST(Recipe, RatesStayRatesWithAnyAlpha) {
  RecipeInput input = known();
  for (double alpha : {1e-6, 1e6}) {
    input.lora.alpha = alpha;
    EXPECT_GT(recipe_of(input).calibrate_learning_rate, 0);
    EXPECT_LE(recipe_of(input).sft_learning_rate, 1);
  }
}

TEST(Recipe, StepsGrowWithThePromptsWithinBounds) {
  RecipeInput input = known();
  input.prompts = 4 * input.prompts;
  EXPECT_EQ(recipe_of(input).sft_steps, 1680);
  input.prompts = 14;
  EXPECT_EQ(recipe_of(input).sft_steps, 120);
  input.prompts = int64_t{1} << 62;
  EXPECT_EQ(recipe_of(input).sft_steps, 1000000);
}

TEST(Recipe, AllWeightsTakeMoreSteps) {
  RecipeInput input = known();
  input.adapter = AdapterKind::none;
  EXPECT_EQ(recipe_of(input).sft_steps, 240);
  input.prompts = 14;
  EXPECT_EQ(recipe_of(input).sft_steps, 120);
}

TEST(Recipe, OnlyWhatIsLeftOpenIsResolved) {
  RunConfig config = make_run_config({{"dataset", "gender-us-real", "x"},
                                      {"model", "shape:layers=2,width=2304,heads=4,ffn=64", "x"},
                                      {"holdout_wordings", "4", "x"},
                                      {"sft_steps", "7", "x"}});
  resolve_recipe(config);
  EXPECT_EQ(config.sft.steps, 7);
  EXPECT_DOUBLE_EQ(config.sft.learning_rate, 5e-4);
  EXPECT_EQ(config.value("calibrate_learning_rate"), "1.5e-05");
  for (auto [key, value] : {std::pair("method", "dpo"), std::pair("steering", "path")}) {
    config = make_run_config({{key, value, "x"},
                              {"dataset", "gender-us-real", "x"},
                              {"model", "shape:layers=2,width=576,heads=4,ffn=64", "x"},
                              {"holdout_wordings", "4", "x"},
                              {"lora_alpha", "128", "x"}});
    resolve_recipe(config);
    EXPECT_EQ(config.value("calibrate_learning_rate"), "0.0001") << value;
  }
  config = make_run_config({{"dataset", "/nowhere", "x"},
                            {"sft_steps", "7", "x"},
                            {"sft_learning_rate", "0.01", "x"},
                            {"calibrate_learning_rate", "0.01", "x"}});
  EXPECT_NO_THROW(resolve_recipe(config));  // nothing is read
}

TEST(Recipe, AnAdapterFromTheStartBringsItsRankAndTargets) {
  const testing::DatasetFolder folder;
  const std::string path = folder.path_of("adapter_config.json"), directory = path.substr(0, path.rfind('/'));
  write_file(path, R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["v_proj", "q_proj"],
                       "layers_to_transform": [3]})");
  const std::string model = "shape:layers=4,width=64,heads=4,ffn=64";
  auto resolved = [&](std::vector<Setting> settings) {
    settings.push_back({"model", model, "x"});
    settings.push_back({"adapter_in", directory, "x"});
    RunConfig config = make_run_config(settings);
    resolve_adapter(config);
    return config;
  };
  const RunConfig config = resolved({{"lora_rank", "4", "x"}});  // same as in the file
  EXPECT_EQ(config.lora.rank, 4);
  EXPECT_EQ(config.value("lora_alpha"), "8");
  EXPECT_EQ(config.value("lora_layers"), "0.25");
  EXPECT_EQ(config.lora.targets, std::vector<std::string>({"q_proj", "v_proj"}));
  EXPECT_THROW(resolved({{"lora_rank", "8", "x"}}), UserError);
  EXPECT_THROW(resolved({{"lora_rank", "32", "x"}}), UserError);  // the default, but asked for
  EXPECT_NO_THROW(resolved({{"lora_targets", "q_proj,v_proj", "x"}}));
  EXPECT_EQ(resolved({{"method", "dpo", "x"}}).lora.rank, 4);  // dpo has its own default rank
  EXPECT_THROW(resolved({{"adapter", "none", "x"}}), UserError);
  write_file(path,
             R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "lm_head"]})");
  EXPECT_THROW(resolved({}), UserError);
  write_file(
      path,
      R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "use_dora": true})");
  EXPECT_THROW(resolved({}), DataError);
}

TEST(Recipe, TargetsAreLayersOfTheModel) {
  auto resolve = [](const char* targets, const char* adapter = "lora") {
    RunConfig config = make_run_config({{"model", "shape:layers=4,width=64,heads=4,ffn=64", "x"},
                                        {"lora_targets", targets, "x"},
                                        {"adapter", adapter, "x"}});
    resolve_adapter(config);
  };
  EXPECT_NO_THROW(resolve("q_proj,down_proj"));
  EXPECT_EQ(testing::error_of([&] { resolve("qkv_proj,o_proj"); }),
            "lora_targets has qkv_proj, which is not a layer of a llama model; those of q_proj, k_proj, "
            "v_proj, o_proj, gate_proj, up_proj, down_proj are");
  EXPECT_NO_THROW(resolve("qkv_proj,o_proj", "none"));
}

struct Sets {
  std::string chosen, holdout;
  std::vector<std::string> lines;
};

/// What `sets` becomes with a dataset of this many training wordings, followed by `sections`.
Sets sets_of(int wordings, const std::string& sections, const char* sets, const char* holdout = "auto") {
  const testing::DatasetFolder folder;
  folder.write("targets.csv", "subject,Red,Blue\ns,1,1\n");
  std::string templates = "[categories]\n0 = Red\n1 = Blue\n[answers]\n{category}\n[train]\n";
  for (int i = 0; i < wordings; ++i) templates += "Colour " + std::to_string(i) + "?\n";
  folder.write("templates.txt", templates + sections);
  RunConfig config = make_run_config(
      {{"dataset", folder.path(), "x"}, {"test_sets", sets, "x"}, {"holdout_wordings", holdout, "x"}});
  const auto lines = resolve_test_sets(config);
  return {config.value("test_sets"), config.value("holdout_wordings"), lines};
}

TEST(TestSets, AFifthIsHeldOutAtMostFourNoneOfFewerThanThree) {
  for (const auto& [wordings, held] : std::vector<std::pair<int, std::string>>{
           {1, "0"}, {2, "0"}, {3, "1"}, {4, "1"}, {7, "1"}, {8, "2"}, {15, "3"}, {20, "4"}, {400, "4"}}) {
    EXPECT_EQ(sets_of(wordings, "[v2]\nWhich?\n", "v2").holdout, held) << wordings;
  }
  EXPECT_EQ(sets_of(4, "[v2]\nWhich?\n", "v2", "0").holdout, "0");
}

TEST(TestSets, EmptyOnesAreLeftOutInWords) {
  EXPECT_EQ(sets_of(4, "[v2]\nWhich?\n", "heldout,v2").chosen, "heldout,v2");
  EXPECT_TRUE(sets_of(4, "[v2]\nWhich?\n", "heldout,v2").lines.empty());
  const Sets without = sets_of(4, "", "heldout,v2,ood");
  EXPECT_EQ(without.chosen, "heldout");
  ASSERT_EQ(without.lines.size(), 2u);
  EXPECT_NE(without.lines[0].find("test set v2 is left out: "), std::string::npos);
  EXPECT_NE(without.lines[1].find("has no ood.csv"), std::string::npos);
  EXPECT_EQ(sets_of(2, "", "heldout,v2").chosen, "train");
  EXPECT_THROW(sets_of(2, "", "v2"), UserError);
}

TEST(Recipe, FramedWordingsCount) {
  const testing::DatasetFolder folder;
  std::string table = "subject,Red,Blue,@thing\n";
  for (int i = 0; i < 28; ++i) table += "s" + std::to_string(i) + ",1,1,t" + std::to_string(i) + "\n";
  folder.write("targets.csv", table);
  folder.write("templates.txt",
               "[categories]\n0 = Red\n1 = Blue\n[answers]\n{category}\n[train]\nColour of {a_thing}?\n");
  const auto steps = [&](const char* frames) {
    RunConfig config = make_run_config({{"dataset", folder.path(), "x"},
                                        {"model", "shape:layers=2,width=2304,heads=4,ffn=64", "x"},
                                        {"holdout_wordings", "0", "x"},
                                        {"test_sets", "v2", "x"},
                                        {"frames", frames, "x"}});
    resolve_recipe(config);
    return config.sft.steps;
  };
  EXPECT_EQ(steps("auto"), 553);  // 28 subjects in 79 wordings: the plain one and each frame around it
  EXPECT_EQ(steps("none"), 120);
}

}  // namespace
}  // namespace apportion
