// The table of methods: complete, consistent, and read back unchanged from a task.
#include "shared/config/method.h"

#include <gtest/gtest.h>

#include <set>

#include "shared/base/error.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

TEST(Method, EveryOneHasADescriptionOfItsOwn) {
  std::set<std::string> names;
  std::set<Method> methods;
  for (const MethodDescription& description : method_table()) {
    EXPECT_TRUE(names.insert(description.name).second) << description.name;
    EXPECT_TRUE(methods.insert(description.method).second) << description.name;
    EXPECT_EQ(&description_of(description.method), &description);
    EXPECT_FALSE(description.summary.empty());
  }
  EXPECT_EQ(names, (std::set<std::string>{"zero-shot", "prompted", "oracle-draw", "verbalized", "ift", "dpo",
                                          "sft", "kl-only", "kto-only", "full"}));
  EXPECT_EQ(find_option("method")->allowed,
            "one of zero-shot, prompted, oracle-draw, verbalized, ift, dpo, sft, kl-only, kto-only, full");
}

TEST(Method, StagesAreAChainOfTheTwoKinds) {
  for (const MethodDescription& description : method_table()) {
    ASSERT_LE(description.stages.size(), 2U) << description.name;
    for (size_t i = 0; i < description.stages.size(); ++i) {
      const Stage& stage = description.stages[i];
      EXPECT_EQ(stage.kind, i == 0 ? TaskKind::sft : TaskKind::calibrate) << description.name;
      EXPECT_EQ(stage.has(LossTerm::sft), i == 0) << description.name;
      EXPECT_EQ(stage.answers, description.stages[0].answers) << description.name;
      EXPECT_FALSE(stage.losses.empty());
    }
  }
}

TEST(Method, PathsTakeThePlaceOfSteeringTokensWithoutKto) {
  for (const MethodDescription& description : method_table()) {
    for (Steering steering : {Steering::digit, Steering::letter}) {
      const std::vector<Stage> stages = stages_of(description.method, steering);
      ASSERT_EQ(stages.size(), description.stages.size());
      for (size_t i = 0; i < stages.size(); ++i) {
        EXPECT_EQ(stages[i].answers, description.stages[i].answers);
        EXPECT_EQ(stages[i].losses, description.stages[i].losses);
      }
    }
    for (const Stage& stage : stages_of(description.method, Steering::path)) {
      const bool is_plain = description.stages[0].answers == AnswerStyle::plain;
      EXPECT_EQ(stage.answers, is_plain ? AnswerStyle::plain : AnswerStyle::paths) << description.name;
      EXPECT_FALSE(stage.has(LossTerm::kto));
    }
  }
  const std::vector<Stage> full = stages_of(Method::full, Steering::path);
  EXPECT_EQ(full.back().losses, std::vector<LossTerm>{LossTerm::steering_kl});
  Task task;
  task.kind = TaskKind::calibrate;
  task.identity = stage_identity(full.back());
  EXPECT_EQ(stage_of(task).answers, AnswerStyle::paths);
}

TEST(Method, WhatATaskSaysOfItsStageIsReadBack) {
  for (const MethodDescription& description : method_table()) {
    for (const Stage& stage : description.stages) {
      Task task;
      task.kind = stage.kind;
      task.identity = stage_identity(stage);
      const Stage read = stage_of(task);
      EXPECT_EQ(read.answers, stage.answers);
      EXPECT_EQ(read.losses, stage.losses);
    }
    Task measure;
    measure.identity = nlohmann::json{{"asking", name_of(description.asking)}};
    EXPECT_EQ(asking_of(measure), description.asking);
  }
  EXPECT_EQ(asking_of(Task{}), Asking::plainly);
  Task unknown;
  unknown.identity = nlohmann::json{{"asking", "nicely"}};
  EXPECT_THROW(asking_of(unknown), InternalError);
}

TEST(Method, DefaultsOfMethodsAndPresetsAreAllowed) {
  for (const MethodDescription& method : method_table()) {
    const PresetSettings authors = settings_of(Preset::authors, method.method);
    EXPECT_TRUE(settings_of(Preset::none, method.method).general.empty());
    const PresetSettings unheld = settings_of(Preset::unheld, method.method);
    for (const auto* list : {&method.defaults, &authors.general, &authors.of_method, &unheld.general}) {
      for (const auto& [key, value] : *list) {
        RunConfig config;
        ASSERT_NE(find_option(key), nullptr) << key;
        EXPECT_TRUE(find_option(key)->assign(config, value)) << key << " = " << value;
        EXPECT_EQ(find_option(key)->print(config), value) << key << " is not canonical";
      }
    }
  }
}

}  // namespace
}  // namespace apportion
