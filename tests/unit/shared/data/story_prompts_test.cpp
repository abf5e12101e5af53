// Story prompts: the filled-in lines of [stories], and what they must not contain.
#include "shared/data/story_prompts.h"

#include <gtest/gtest.h>

#include "shared/data/catalogue.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

constexpr const char* joint =
    "[categories mood]\n0 = glad\n1 = sad\n[categories age]\n0 = old\n1 = young\n"
    "[answers]\n{mood}, {age}\n[train]\nWho is {a_role}?\n[v3]\nTell of {a_role}.\n[stories]\n";

Dataset dataset_with(DatasetFolder& folder, const std::string& templates) {
  folder.write("toy/targets.csv",
               "subject,glad+old,glad+young,sad+old,sad+young,@role\nBakers,1,2,3,4,baker\n");
  folder.write("toy/templates.txt", templates);
  return parse_dataset(folder.path_of("toy"));
}

TEST(StoryPrompts, AreFilledWithEachCategory) {
  DatasetFolder folder;
  const Dataset dataset =
      dataset_with(folder, std::string(joint) + "A tale of {a_role}! | {role}, {age}, {mood}\n");
  const auto prompts = story_prompts(dataset, {});
  ASSERT_EQ(prompts.size(), 1U);
  EXPECT_EQ(prompts[0].neutral, "A tale of a baker!");
  EXPECT_EQ(prompts[0].named, (std::vector<std::string>{"baker, old, glad", "baker, young, glad",
                                                        "baker, old, sad", "baker, young, sad"}));
}

TEST(StoryPrompts, OfTheSixAreManyAndInNoDigest) {
  for (const char* name : {"gender-uk-real", "race-us-even", "sentiment-us-even"}) {
    Dataset dataset = parse_dataset(find_dataset(name));
    const auto prompts = story_prompts(dataset, {});
    EXPECT_EQ(prompts.size(), dataset.subjects.size() * 8) << name;
    EXPECT_EQ(prompts[0].named.size(), dataset.categories.size());
    const std::string digest = dataset.training_digest(), asked = digest_of(prompts);
    dataset.wordings.at("stories").pop_back();
    EXPECT_EQ(dataset.training_digest(), digest);
    EXPECT_NE(digest_of(story_prompts(dataset, {})), asked);
  }
}

TEST(StoryPrompts, LinesAreTwoHalvesAndTheCategoryIsInTheSecond) {
  DatasetFolder folder;
  for (const char* line :
       {"A tale of {a_role}, {mood}, {age}", "A tale, {age} | of {mood}, {age}", "A tale | of {mood}",
        "A | tale | of {mood}, {age}", "| {mood}, {age}", "A tale | {mood}, {age}, {age}"}) {
    EXPECT_NE(error_of([&] { dataset_with(folder, std::string(joint) + line + "\n"); })
                  .find("templates.txt, line 14: a line of [stories] is \"NEUTRAL | NAMED\", and only NAMED "
                        "has {mood}, "
                        "{age}, once each"),
              std::string::npos)
        << line;
  }
  EXPECT_NE(error_of([&] {
              dataset_with(folder, std::string(joint) + "A {tool} | {mood}, {age}\n");
            }).find("{tool}"),
            std::string::npos);
}

TEST(StoryPrompts, ATestWordingIsNotTrainedOn) {
  DatasetFolder folder;
  std::string lines = joint;
  lines.append("Tell of {a_role}. | {mood}, {age}\n");
  const Dataset tested = dataset_with(folder, lines);
  EXPECT_NE(error_of([&] { story_prompts(tested, {}); }).find("\"Tell of {a_role}.\" is one of [v3]"),
            std::string::npos);
  Dataset none = tested;
  none.wordings.erase("stories");
  EXPECT_NE(error_of([&] { story_prompts(none, {}); }).find("has no section [stories]"), std::string::npos);
}

}  // namespace
}  // namespace apportion
