// The one recipe's rules, and what is left to them.
#include "shared/model/recipe.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

RecipeInput known() {
  LoraConfig lora;
  lora.alpha = 128;
  return {576, lora, AdapterKind::lora, OptimizerKind::adamw, 560};
}

TEST(Recipe, WhatTheRulesStartFrom) {
  const Recipe recipe = recipe_of(known());
  EXPECT_EQ(recipe.sft_steps, 140);
  EXPECT_DOUBLE_EQ(recipe.sft_learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(recipe.calibrate_learning_rate, 2.5e-4);
}

TEST(Recipe, MuonsAreTheFormerRecipes) {
  RecipeInput input = known();
  input.optimizer = OptimizerKind::muon;
  input.lora.alpha = 256;
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
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 2.5e-4);
  input.lora.alpha = 8;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 2e-3);
  input = known();
  input.lora.alpha = 32;
  EXPECT_DOUBLE_EQ(recipe_of(input).sft_learning_rate, 2e-3);
  EXPECT_DOUBLE_EQ(recipe_of(input).calibrate_learning_rate, 5e-4);
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
  EXPECT_EQ(recipe_of(input).sft_steps, 560);
  input.prompts = 14;
  EXPECT_EQ(recipe_of(input).sft_steps, 30);
  input.prompts = int64_t{1} << 62;
  EXPECT_EQ(recipe_of(input).sft_steps, 1000000);
}

TEST(Recipe, AllWeightsTakeMoreSteps) {
  RecipeInput input = known();
  input.adapter = AdapterKind::none;
  EXPECT_EQ(recipe_of(input).sft_steps, 240);
  input.prompts = 14;
  EXPECT_EQ(recipe_of(input).sft_steps, 30);
}

TEST(Recipe, OnlyWhatIsLeftOpenIsResolved) {
  RunConfig config = make_run_config({{"dataset", "gender-us-real", "x"},
                                      {"model", "shape:layers=2,width=2304,heads=4,ffn=64", "x"},
                                      {"sft_steps", "7", "x"}});
  resolve_recipe(config);
  EXPECT_EQ(config.sft.steps, 7);
  EXPECT_DOUBLE_EQ(config.sft.learning_rate, 5e-4);
  EXPECT_EQ(config.value("calibrate_learning_rate"), "0.00013");
  config = make_run_config({{"dataset", "/nowhere", "x"},
                            {"sft_steps", "7", "x"},
                            {"sft_learning_rate", "0.01", "x"},
                            {"calibrate_learning_rate", "0.01", "x"}});
  EXPECT_NO_THROW(resolve_recipe(config));  // nothing is read
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
  EXPECT_EQ(steps("auto"), 280);  // 28 subjects in 40 wordings: twice the 560 prompts of 140 steps
  EXPECT_EQ(steps("none"), 30);
}

}  // namespace
}  // namespace apportion
