// The table as a whole: unique, documented, and in step with the structs of run_config.h.
#include "shared/config/option_table.h"

#include <gtest/gtest.h>

#include <set>

namespace apportion {
namespace {

TEST(OptionTable, DefaultsAreThoseOfTheStructs) {
  const RunConfig structs;
  for (const Option* option : option_table()) {
    EXPECT_EQ(option->print(structs), option->default_value) << option->key;
  }
}

TEST(OptionTable, DefaultsAreAllowedAndCanonical) {
  for (const Option* option : option_table()) {
    RunConfig config;
    EXPECT_TRUE(option->assign(config, option->default_value)) << option->key;
    EXPECT_EQ(option->print(config), option->default_value) << option->key;
  }
}

TEST(OptionTable, EveryKeyHasAFieldOfItsOwn) {
  // For each option one of these texts is valid without being its default.
  const std::vector<std::string> others = {
      "2",        "0.25",   "true",    "sft",    "token_mean", "float32", "v3",     "constant",
      "bfloat16", "q_proj", "other",   "strong", "always",     "false",   "full",   "ignored",
      "authors",  "all",    "rotated", "none",   "q4",         "file",    "letter", "muon",
      "0.5",      "3",      "self",    "even",   "90"};
  for (const Option* option : option_table()) {
    RunConfig config;
    for (const auto& text : others) {
      if (text != option->default_value && option->assign(config, text)) break;
    }
    EXPECT_NE(option->print(config), option->default_value) << option->key << " was not changed by any text";
    for (const Option* bystander : option_table()) {
      if (bystander == option) continue;
      EXPECT_EQ(bystander->print(config), bystander->default_value)
          << option->key << " changed " << bystander->key;
    }
  }
}

TEST(OptionTable, KeysAreUniqueLowerCaseWordsWithOneLineOfHelp) {
  std::set<std::string> keys;
  for (const Option* option : option_table()) {
    EXPECT_TRUE(keys.insert(option->key).second) << option->key;
    EXPECT_EQ(option->key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos);
    EXPECT_FALSE(option->help.empty()) << option->key;
    EXPECT_EQ(option->help.find('\n'), std::string::npos) << option->key;
    EXPECT_FALSE(option->allowed.empty()) << option->key;
    EXPECT_FALSE(option->value_name.empty()) << option->key;
  }
}

TEST(OptionTable, RanksThreadsAndPathsAreNoIdentity) {
  for (const char* key : {"threads", "group_size", "timeout_s", "connect_timeout_s", "silence_s", "output",
                          "checkpoint_steps", "force", "quiet", "json", "dataset", "model"}) {
    EXPECT_EQ(find_option(key)->identity, Identity::no) << key;
  }
  for (const char* key :
       {"seed", "micro_batches", "unit_prompts", "sft_learning_rate", "measure_compute_type"}) {
    EXPECT_EQ(find_option(key)->identity, Identity::yes) << key;
  }
}

TEST(OptionTable, FindsKeysAndNearestKeys) {
  EXPECT_EQ(find_option("no_such_key"), nullptr);
  EXPECT_EQ(find_option("lora_rank")->key, "lora_rank");
  EXPECT_EQ(nearest_key("lerning_rate"), "sft_learning_rate");
  EXPECT_EQ(nearest_key("micro_batch"), "micro_batches");
}

}  // namespace
}  // namespace apportion
