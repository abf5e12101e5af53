// How each method words a prompt.
#include "shared/data/question.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

const std::vector<Category> colours = {{{"Red"}}, {{"Green", "lime"}}, {{"Blue"}}};
const Prompt prompt = {0, 0, "Which colour?"};
const Subject subject = {"ball", {0.125, 0, 0.875}, {}};

TEST(Question, PlainlyIsTheWordingAlone) {
  const std::vector<Turn> turns = turns_of(prompt, subject, colours, Asking::plainly);
  ASSERT_EQ(turns.size(), 1U);
  EXPECT_EQ(turns[0].text, "Which colour?");
  EXPECT_EQ(turns[0].share, 1);
}

TEST(Question, WithTargetStatesEveryShare) {
  const std::vector<Turn> turns = turns_of(prompt, subject, colours, Asking::with_target);
  ASSERT_EQ(turns.size(), 1U);
  EXPECT_EQ(
      turns[0].text,
      "Which colour? Many people ask you this. Answer each so that, over all of them, 12.5% of the answers "
      "are Red, 0% of the answers are Green and 87.5% of the answers are Blue.");
}

TEST(Question, WithCategoryNamesEachThatCanBeDrawn) {
  const std::vector<Turn> turns = turns_of(prompt, subject, colours, Asking::with_category);
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[0].text, "Which colour? This time the answer to give is: Red.");
  EXPECT_EQ(turns[0].share, 0.125);
  EXPECT_EQ(turns[1].text, "Which colour? This time the answer to give is: Blue.");
  EXPECT_EQ(turns[1].share, 0.875);
  EXPECT_EQ(asked_text(prompt, subject, colours, Asking::with_category),
            "Which colour? This time the answer to give is: {category}.");
}

TEST(Question, ForProbabilitiesListsTheAnswersAndNoShare) {
  const std::string text = asked_text(prompt, subject, colours, Asking::for_probabilities);
  EXPECT_NE(text.find("(Red, Green and Blue)"), std::string::npos) << text;
  EXPECT_EQ(text.find('5'), std::string::npos) << text;
}

TEST(Question, AnUnknownTargetIsRefusedWhereItIsNeeded) {
  const Subject unknown = {"ball", {}, {}};
  EXPECT_EQ(testing::error_of([&] { turns_of(prompt, unknown, colours, Asking::with_target); }),
            "a prompt that states the target needs a target, and subject \"ball\" has none; fill its row in "
            "ood.csv, or leave ood out of test_sets");
  EXPECT_NE(testing::error_of([&] { turns_of(prompt, unknown, colours, Asking::with_category); }),
            "no error");
  EXPECT_EQ(turns_of(prompt, unknown, colours, Asking::for_probabilities).size(), 1U);
}

}  // namespace
}  // namespace apportion
