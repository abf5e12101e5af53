// Which tasks a method has, and what does and does not change a task's id.
#include "coordinator/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/config/option_table.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

PlanInput sample_input() {
  PlanInput sample = {"model", "dataset", "gender-us-real", "bfloat16", "float32"};
  for (const char* test_set : {"train", "heldout", "v2", "v3", "ood"})
    sample.test_sets[test_set] = {std::string("questions of ") + test_set,
                                  std::string("targets of ") + test_set};
  return sample;
}
const PlanInput input = sample_input();

/// Defaults plus changes, without a hold and its measurement unless a change asks for them.
RunConfig config_of(std::map<std::string, std::string> changes) {
  changes.try_emplace("retain_weight", "0");
  changes.try_emplace("retention", "false");
  return default_config(changes);
}

/// Ids by label.
std::map<std::string, std::string> ids(const Plan& plan) {
  std::map<std::string, std::string> result;
  for (const Task& task : plan.tasks) result[task.label] = task.id;
  return result;
}

std::set<std::string> labels(const RunConfig& config) {
  std::set<std::string> result;
  for (const Task& task : make_plan(config, input, "job").tasks) result.insert(task.label);
  return result;
}

/// Labels of the tasks whose id differs after the changes.
std::set<std::string> changed(const std::map<std::string, std::string>& changes,
                              const PlanInput& other = input) {
  std::map<std::string, std::string> base = {{"test_sets", "heldout,v2"}};
  auto before = ids(make_plan(config_of(base), input, "job"));
  base.insert(changes.begin(), changes.end());
  auto after = ids(make_plan(config_of(base), other, "job"));
  EXPECT_EQ(before.size(), after.size());
  std::set<std::string> result;
  for (const auto& [label, id] : before) {
    if (after.at(label) != id) result.insert(label);
  }
  return result;
}

using Labels = std::set<std::string>;

TEST(Plan, FullMeasuresTrainsTwiceAndMeasuresAgain) {
  RunConfig config = config_of({{"test_sets", "heldout,v2,train,ood"}});
  Plan plan = make_plan(config, input, "smoke");
  EXPECT_EQ(labels(config), (Labels{"before, v2", "before, ood", "stage 1", "stage 2", "after, heldout",
                                    "after, v2", "after, train", "after, ood"}));
  EXPECT_EQ(plan.cell.job, "smoke");
  EXPECT_EQ(plan.cell.name, "gender-us-real-full");
  auto id = ids(plan);
  EXPECT_EQ(plan.cell.measures.at("before/v2"), id.at("before, v2"));
  EXPECT_EQ(plan.cell.measures.at("after/heldout"), id.at("after, heldout"));
  EXPECT_EQ(plan.cell.training.at("calibrate"), id.at("stage 2"));
  EXPECT_EQ(plan.cell.measures.size(), 6u);
}

TEST(Plan, EachTaskComesAfterItsInputs) {
  Plan plan = make_plan(config_of({}), input, "job");
  std::set<std::string> seen;
  for (const Task& task : plan.tasks) {
    for (const std::string& id : task.inputs) EXPECT_TRUE(seen.count(id)) << task.label;
    EXPECT_TRUE(seen.insert(task.id).second) << task.label;
    EXPECT_EQ(task.id, task_id(task.identity));
  }
  auto id = ids(plan);
  for (const Task& task : plan.tasks) {
    if (task.label == "stage 2") {
      EXPECT_EQ(task.inputs, std::vector{id.at("stage 1")});
    }
    if (task.label == "after, v2") {
      EXPECT_EQ(task.inputs, std::vector{id.at("stage 2")});
    }
    if (task.label == "before, v2") {
      EXPECT_TRUE(task.inputs.empty());
    }
  }
}

TEST(Plan, OtherMethodsLeaveTasksOut) {
  EXPECT_EQ(labels(config_of({{"method", "sft"}, {"test_sets", "v2"}})),
            (Labels{"before, v2", "stage 1", "after, v2"}));
  EXPECT_EQ(labels(config_of({{"method", "zero-shot"}, {"test_sets", "heldout,v2"}})),
            (Labels{"before, v2"}));
  EXPECT_THROW(make_plan(config_of({{"method", "zero-shot"}, {"test_sets", "heldout"}}), input, "job"),
               UserError);
}

TEST(Plan, StageOneIsSharedBetweenMethods) {
  auto full = ids(make_plan(config_of({}), input, "a"));
  auto sft = ids(make_plan(config_of({{"method", "sft"}}), input, "b"));
  EXPECT_EQ(full.at("stage 1"), sft.at("stage 1"));
  EXPECT_EQ(full.at("before, v2"), sft.at("before, v2"));
  EXPECT_NE(full.at("after, v2"), sft.at("after, v2"));
}

TEST(Plan, StageOneIsSharedByItsIdBetweenItsMethodsOnly) {
  auto of = [](const std::string& method) {
    return ids(make_plan(config_of({{"method", method}}), input, "job"));
  };
  for (const char* method : {"sft", "kl-only", "kto-only"})
    EXPECT_EQ(of(method).at("stage 1"), of("full").at("stage 1")) << method;
  EXPECT_EQ(of("ift").at("stage 1"), of("dpo").at("stage 1"));
  EXPECT_NE(of("ift").at("stage 1"), of("full").at("stage 1"));
  std::set<std::string> second;
  for (const char* method : {"full", "kl-only", "kto-only", "dpo"}) second.insert(of(method).at("stage 2"));
  EXPECT_EQ(second.size(), 4u);
}

TEST(Plan, AStageReadsTheOptionsOfItsLossesAlone) {
  auto stage_two = [](std::map<std::string, std::string> changes) {
    return ids(make_plan(config_of(changes), input, "job")).at("stage 2");
  };
  auto reads = [&](const std::string& method, const std::string& key, const std::string& value) {
    return stage_two({{"method", method}}) != stage_two({{"method", method}, {key, value}});
  };
  EXPECT_FALSE(reads("kl-only", "beta", "0.2"));
  EXPECT_FALSE(reads("kl-only", "kto_pairs", "rotated"));
  EXPECT_TRUE(reads("kl-only", "kl_weight", "2"));
  EXPECT_TRUE(reads("kto-only", "kto_positions", "all"));
  EXPECT_FALSE(reads("kto-only", "kl_weight", "2"));
  EXPECT_TRUE(reads("dpo", "beta", "0.2"));
  EXPECT_FALSE(reads("dpo", "kto_weight", "2"));
}

TEST(Plan, ASystemTextIsInAllIdsAndTheUsualOneInNone) {
  const std::set<std::string> all = changed({});
  EXPECT_TRUE(all.empty());
  EXPECT_EQ(changed({{"system", "Be brief."}}), labels(config_of({{"test_sets", "heldout,v2"}})));
  EXPECT_TRUE(changed({{"system", "default"}}).empty());
  const Plan plan = make_plan(config_of({}), input, "job");
  for (const Task& task : plan.tasks) EXPECT_FALSE(task.identity.at("options").contains("system"));
}

TEST(Plan, AnAdapterFromTheStartChangesAllIds) {
  PlanInput with = input;
  with.adapter_in_digest = "a";
  EXPECT_EQ(changed({}, with), labels(config_of({{"test_sets", "heldout,v2"}})));
  const Plan plan = make_plan(config_of({}), with, "job");
  for (const Task& task : plan.tasks)  // tasks with inputs get it from those
    EXPECT_EQ(task.identity.json().contains("adapter_in"), task.inputs.empty()) << task.label;
}

TEST(Plan, StoriesAreInATrainingTasksIdWhereTheyAreTrainedOn) {
  auto training = [](std::map<std::string, std::string> changes, const std::string& digest) {
    PlanInput with = input;
    with.stories_digest = digest;
    return ids(make_plan(config_of(changes), with, "job"));
  };
  const auto none = training({}, ""), self = training({{"answers", "self"}}, "s");
  EXPECT_EQ(training({{"self_weight", "2"}}, "").at("stage 1"), none.at("stage 1"));
  EXPECT_EQ(training({{"self_weight", "2"}}, "").at("stage 2"), none.at("stage 2"));
  EXPECT_EQ(self.at("before, v2"), none.at("before, v2"));
  for (const char* stage : {"stage 1", "stage 2"}) {
    EXPECT_NE(self.at(stage), none.at(stage));
    EXPECT_NE(training({{"answers", "self"}}, "t").at(stage), self.at(stage));
    for (const char* key :
         {"self_weight", "self_text_weight", "self_prompts", "self_stories", "self_draws", "self_tokens"})
      EXPECT_NE(training({{"answers", "self"}, {key, "3"}}, "s").at(stage), self.at(stage)) << key;
  }
}

TEST(Plan, MethodsThatTrainNothingMeasureBeforeAndInTheirOwnWay) {
  auto plan = [](const std::string& method) {
    return make_plan(config_of({{"method", method}, {"test_sets", "heldout,v2"}}), input, "job");
  };
  const auto untouched = ids(plan("zero-shot"));
  std::set<std::string> after;
  for (const char* method : {"prompted", "oracle-draw", "verbalized"}) {
    const Plan made = plan(method);
    const auto id = ids(made);
    EXPECT_EQ(id.size(), 2u) << method;
    EXPECT_EQ(id.at("before, v2"), untouched.at("before, v2"));
    after.insert(id.at("after, v2"));
    const Method value = config_of({{"method", method}}).method;
    EXPECT_EQ(asking_of(made.tasks.back()), description_of(value).asking) << method;
    EXPECT_TRUE(made.tasks.back().inputs.empty());
  }
  EXPECT_EQ(after.size(), 3u);
}

TEST(Plan, AnOptionChangesTheTasksThatReadItAndWhatComesAfter) {
  const Labels all = {"before, v2", "stage 1", "stage 2", "after, heldout", "after, v2"};
  const Labels trained = {"stage 1", "stage 2", "after, heldout", "after, v2"};
  EXPECT_EQ(changed({}), Labels{});
  EXPECT_EQ(changed({{"seed", "1"}}), all);
  EXPECT_EQ(changed({{"rounds", "50"}}), (Labels{"before, v2", "after, heldout", "after, v2"}));
  EXPECT_EQ(changed({{"sft_steps", "7"}}), trained);
  EXPECT_EQ(changed({{"beta", "0.2"}}), (Labels{"stage 2", "after, heldout", "after, v2"}));
  EXPECT_EQ(changed({{"holdout_wordings", "3"}}), trained);
}

TEST(Plan, FramesAreInAnIdWhereTheyAddSomething) {
  EXPECT_EQ(changed({{"frames", "none"}}), Labels{});
  for (const Task& task : make_plan(config_of({}), input, "job").tasks)
    EXPECT_EQ(task.identity.text().find("frames"), std::string::npos) << task.label;
  const Labels trained = {"stage 1", "stage 2", "after, heldout", "after, v2"};
  PlanInput framed = input;
  framed.frames_digest = "those of the list as it is";
  EXPECT_EQ(changed({}, framed), trained);
  PlanInput other = framed;
  other.frames_digest = "those of another list";
  const auto one = ids(make_plan(config_of({}), framed, "job"));
  const auto two = ids(make_plan(config_of({}), other, "job"));
  EXPECT_NE(one.at("stage 1"), two.at("stage 1"));
  EXPECT_EQ(one.at("before, v2"), two.at("before, v2"));
}

TEST(Plan, WithoutAnAdapterItsOptionsAreNotRead) {
  const Labels trained = {"stage 1", "stage 2", "after, heldout", "after, v2"};
  EXPECT_EQ(changed({{"adapter", "none"}}), trained);
  auto of_rank = [](const char* rank) {
    return ids(make_plan(config_of({{"adapter", "none"}, {"lora_rank", rank}}), input, "job"));
  };
  EXPECT_EQ(of_rank("4"), of_rank("8"));
}

TEST(Plan, SteeringChangesEveryTaskButThoseTrainedOnPlainAnswers) {
  const Labels all = {"before, v2", "stage 1", "stage 2", "after, heldout", "after, v2"};
  EXPECT_EQ(changed({{"steering", "letter"}}), all);
  EXPECT_EQ(changed({{"steering", "path"}}), all);
  const auto ids_with = [](const char* method, const char* steering) {
    return ids(make_plan(config_of({{"method", method}, {"steering", steering}}), input, "job"));
  };
  EXPECT_EQ(ids_with("ift", "digit").at("stage 1"), ids_with("ift", "path").at("stage 1"));
  EXPECT_NE(ids_with("sft", "path").at("stage 1"), ids_with("ift", "path").at("stage 1"));
  EXPECT_EQ(ids_with("full", "path"), ids_with("kl-only", "path"));  // no KTO
}

TEST(Plan, WhatIsNotIdentityChangesNothing) {
  EXPECT_EQ(
      changed(
          {{"threads", "3"}, {"group_size", "2"}, {"timeout_s", "9"}, {"force", "true"}, {"output", "x"}}),
      Labels{});
}

TEST(Plan, DigestsAndComputeTypesChangeTheTasksThatUseThem) {
  PlanInput other = input;
  other.measure_compute_type = "bfloat16";
  EXPECT_EQ(changed({}, other), (Labels{"before, v2", "after, heldout", "after, v2"}));
  other = input;
  other.train_compute_type = "float32";
  EXPECT_EQ(changed({}, other).count("before, v2"), 0u);
  other = input;
  other.model_digest = "other";
  EXPECT_EQ(changed({}, other).size(), 5u);
  other = input;
  other.training_digest = "other";
  EXPECT_EQ(changed({}, other), (Labels{"stage 1", "stage 2", "after, heldout", "after, v2"}))
      << "the untouched model, asked plainly, says the same whatever the target";
  other = input;
  other.test_sets["v2"].questions = "other";
  EXPECT_EQ(changed({}, other), (Labels{"before, v2"}));
  other = input;
  other.test_sets["v2"].with_targets = "other";
  EXPECT_EQ(changed({}, other), (Labels{"after, v2"})) << "another test wording trains nothing anew";
}

TEST(Plan, OnlyPlainMeasuresOfTheUntouchedModelAreWithoutTarget) {
  for (const char* method : {"full", "prompted", "oracle-draw", "verbalized", "zero-shot"}) {
    for (const Task& task :
         make_plan(config_of({{"method", method}, {"test_sets", "v2"}}), input, "job").tasks)
      EXPECT_EQ(is_without_target(task), task.label == "before, v2") << method << ": " << task.label;
  }
}

TEST(Plan, IdentitiesAreCanonicalJson) {
  PlanInput all = input;
  all.frames_digest = "framed";
  all.stories_digest = "a \"digest\" \\ caf\xc3\xa9\n";
  all.judges = {{{"words", {"he"}}, {"name", "lexical"}},
                {{"name", "\"some\" model"}, {"compute_type", "float32"}}};
  for (const MethodDescription& method : method_table()) {
    const RunConfig config =
        config_of({{"method", method.name}, {"test_sets", "v2,v3"}, {"answers", "self"}, {"rounds", "5000"}});
    for (const Task& task : make_plan(config, all, "job").tasks)
      EXPECT_EQ(task.identity.text(), task.identity.json().dump()) << method.name << ", " << task.label;
  }
}

TEST(Plan, EveryIdentityOptionIsReadByAKindAndNoOther) {
  std::set<std::string> read = {"train_compute_type",
                                "measure_compute_type"};  // these are resolved, in PlanInput
  auto add = [&](const std::vector<std::string>& keys) { read.insert(keys.begin(), keys.end()); };
  for (const MethodDescription& method : method_table()) {
    for (const Stage& stage : method.stages) add(stage_keys(stage));
    add(measure_keys_of("heldout", method.asking));
    add(measure_keys_of("v3", method.asking));
  }
  add(scale_identity_keys());
  std::set<std::string> identity;
  for (const Option* option : option_table()) {
    if (option->identity == Identity::yes) identity.insert(option->key);
  }
  EXPECT_EQ(read, identity);
}

TEST(Plan, EachJudgeReadsEachSetOfStories) {
  PlanInput judged = input;
  judged.judges = {{{"name", "lexical"}, {"words", {"he"}}}, {{"name", "some-model"}}};
  const RunConfig config = config_of({{"test_sets", "v2,v3"}});
  const Plan plan = make_plan(config, judged, "job");
  const auto id = ids(plan), before = ids(make_plan(config, input, "job"));
  EXPECT_EQ(id.size(), before.size() + 4);
  for (const auto& [label, same] : before) EXPECT_EQ(id.at(label), same) << label;
  EXPECT_EQ(plan.cell.judged.at("after/v3/some-model"), id.at("after, v3, some-model"));
  EXPECT_EQ(plan.cell.judged.size(), 4u);
  judged.judges[0]["words"] = {"he", "him"};
  const auto other = ids(make_plan(config, judged, "job"));
  for (const auto& [label, same] : id) {
    EXPECT_EQ(other.at(label) == same, !label.ends_with("lexical"))
        << "a judge's words are its own: " << label;
  }
  for (const Task& task : plan.tasks) {
    if (task.label != "after, v3, some-model") continue;
    EXPECT_EQ(task.inputs, std::vector{id.at("after, v3")});
    EXPECT_TRUE(is_judged(task) && reads_stories(task));
  }
}

TEST(Plan, StoriesAreReadAsStories) {
  auto identity_of = [](const std::map<std::string, std::string>& changes, const std::string& label) {
    for (const Task& task : make_plan(config_of(changes), input, "job").tasks) {
      if (task.label == label) return task.identity.json();
    }
    return nlohmann::json();
  };
  const nlohmann::json stories = identity_of({{"test_sets", "v2,v3"}}, "after, v3"),
                       plain = identity_of({{"test_sets", "v2,v3"}}, "after, v2");
  EXPECT_EQ(stories.at("reading"), "stories");
  EXPECT_EQ(stories.at("options").at("story_tokens"), "64");
  EXPECT_FALSE(stories.at("options").contains("max_answer_tokens"));
  EXPECT_FALSE(plain.contains("reading"));
  EXPECT_FALSE(plain.at("options").contains("story_tokens"));
  const nlohmann::json lists = identity_of({{"test_sets", "v3"}, {"method", "verbalized"}}, "after, v3");
  EXPECT_FALSE(lists.contains("reading")) << "a list of probabilities is no story";
  EXPECT_TRUE(lists.at("options").contains("verbalized_tokens"));
}

TEST(Plan, RoundsThatAreHalvedMakeAnotherTask) {
  auto measure_of = [](const std::string& rounds) {
    return make_plan(config_of({{"rounds", rounds}}), input, "job").tasks.back().identity;
  };
  EXPECT_FALSE(measure_of("4096").contains("rounds_drawn"))
      << "those that were measured before keep their ids";
  EXPECT_EQ(measure_of("4097").at("rounds_drawn"), "halved");
}

}  // namespace
}  // namespace apportion
