// A set's prompts, and a prompt's weighted answers.
#include "shared/data/example.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;

Dataset make_dataset() {
  Dataset dataset;
  dataset.name = "toy";
  dataset.path = "/toy";
  dataset.categories = {{{"Red"}}, {{"Green"}}, {{"Blue"}}};
  dataset.subjects = {{"s", {0.2, 0.3, 0.5}, {{"role", "cook"}}},
                      {"t", {0, 0.25, 0.75}, {{"role", "pilot"}}}};
  dataset.answer_forms = {"{category}", "The {role} says {category}."};
  for (int i = 0; i < 10; ++i) dataset.wordings["train"].push_back(std::to_string(i) + " {role}");
  dataset.wordings["v2"] = {"v2 {role}"};
  return dataset;
}

TEST(Example, HoldsOutWordingsSpreadOverTheList) {
  const Dataset dataset = make_dataset();
  const std::vector<std::string> held_out = wordings_of(dataset, "heldout", 2);
  EXPECT_EQ(held_out, (std::vector<std::string>{"2 {role}", "7 {role}"}));
  const std::vector<std::string> trained = wordings_of(dataset, "train", 2);
  EXPECT_EQ(trained.size(), 8u);
  std::set<std::string> all(trained.begin(), trained.end());
  all.insert(held_out.begin(), held_out.end());
  EXPECT_EQ(all.size(), 10u);
  EXPECT_EQ(wordings_of(dataset, "train", 0).size(), 10u);
  for (int holdout = 1; holdout < 10; ++holdout) {
    EXPECT_EQ(wordings_of(dataset, "heldout", holdout).size(), static_cast<size_t>(holdout));
    EXPECT_EQ(wordings_of(dataset, "train", holdout).size(), static_cast<size_t>(10 - holdout));
  }
}

TEST(Example, OrdersPromptsBySubjectThenWording) {
  const std::vector<Prompt> prompts = prompts_of(make_dataset(), "heldout", 2, 0);
  ASSERT_EQ(prompts.size(), 4u);
  EXPECT_EQ(prompts[1].text, "7 cook");
  EXPECT_EQ(prompts[2].text, "2 pilot");
  EXPECT_EQ(prompts[3].subject, 1);
  EXPECT_EQ(prompts[3].wording, 1);
  EXPECT_EQ(prompts_of(make_dataset(), "v2", 2, 1).size(), 1u);
}

TEST(Example, SaysWhichSetIsMissing) {
  const Dataset dataset = make_dataset();
  EXPECT_EQ(error_of([&] { prompts_of(dataset, "v3", 2, 0); }),
            "test set v3 needs section [v3] in the templates.txt of /toy");
  EXPECT_EQ(error_of([&] { prompts_of(dataset, "v9", 2, 0); }),
            "unknown test set \"v9\"; there are train, heldout, v2, v3 and ood");
  EXPECT_EQ(error_of([&] { prompts_of(dataset, "ood", 2, 0); }),
            "test set ood has no subjects; add ood.csv to /toy");
  EXPECT_EQ(error_of([&] { prompts_of(dataset, "heldout", 0, 0); }),
            "test set heldout is empty; set holdout_wordings to 1 or more");
  for (const int holdout : {-1, 10}) {
    EXPECT_EQ(error_of([&] { wordings_of(dataset, "train", holdout); }),
              "holdout_wordings = " + std::to_string(holdout) +
                  " of the 10 training wordings of toy; hold out at least 0 and fewer than all");
  }
}

TEST(Example, AcceptedAnswersShareTheTarget) {
  const Dataset dataset = make_dataset();
  const std::vector<Answer> answers = accepted_answers(dataset, dataset.subjects[0]);
  ASSERT_EQ(answers.size(), 6u);
  EXPECT_EQ(answers[0].text, "0 Red");
  EXPECT_EQ(answers[5].text, "2 The cook says Blue.");
  std::map<int, double> weights;
  for (const Answer& answer : answers) {
    EXPECT_TRUE(answer.accepted());
    weights[answer.category] += answer.weight;
  }
  EXPECT_EQ(weights, (std::map<int, double>{{0, 0.2}, {1, 0.3}, {2, 0.5}}));
}

TEST(Example, ACategoryWithoutShareHasNoAnswer) {
  const Dataset dataset = make_dataset();
  for (const Answer& answer : accepted_answers(dataset, dataset.subjects[1])) EXPECT_NE(answer.category, 0);
  EXPECT_EQ(rejected_answers(dataset, dataset.subjects[1], 0, 0).size(), 4u);
}

TEST(Example, RejectedAnswersSayEveryOtherCategoryEquallyOften) {
  const Dataset dataset = make_dataset();
  const std::vector<Answer> accepted = accepted_answers(dataset, dataset.subjects[0]);
  std::map<std::pair<int, int>, int> said;
  constexpr int wordings = 1000;
  for (int wording = 0; wording < wordings; ++wording) {
    const std::vector<Answer> rejected = rejected_answers(dataset, dataset.subjects[0], 3, wording);
    ASSERT_EQ(rejected.size(), accepted.size());
    for (size_t i = 0; i < rejected.size(); ++i) {
      EXPECT_FALSE(rejected[i].accepted());
      EXPECT_EQ(rejected[i].category, accepted[i].category);
      EXPECT_EQ(rejected[i].weight, accepted[i].weight);
      EXPECT_TRUE(rejected[i].text.starts_with(steering_text(Steering::digit, rejected[i].category) + " "));
      EXPECT_NE(rejected[i].text.find(dataset.categories[size_t(rejected[i].said)].names[0]),
                std::string::npos);
      ++said[{rejected[i].category, rejected[i].said}];
    }
  }
  EXPECT_EQ(said.size(), 6u);
  // Half of 2,000 draws each: 1,000, with a standard deviation of 22. The key is fixed, so the outcome is
  // too.
  for (const auto& entry : said) EXPECT_NEAR(entry.second, wordings, 100);
}

TEST(Example, RejectedAnswersDependOnSeedSubjectAndWordingOnly) {
  const Dataset dataset = make_dataset();
  const auto texts = [&](uint64_t seed, int wording) {
    std::string joined;
    for (const Answer& answer : rejected_answers(dataset, dataset.subjects[0], seed, wording))
      joined += answer.text + "\n";
    return joined;
  };
  EXPECT_EQ(texts(1, 2), texts(1, 2));
  std::set<std::string> over_seeds, over_wordings;
  for (int i = 0; i < 10; ++i) {
    over_seeds.insert(texts(uint64_t(i), 0));
    over_wordings.insert(texts(0, i));
  }
  EXPECT_GT(over_seeds.size(), 3u);
  EXPECT_GT(over_wordings.size(), 3u);
}

TEST(Example, ALetterStandsWhereADigitDoes) {
  const Dataset dataset = make_dataset();
  const std::vector<Answer> accepted = accepted_answers(dataset, dataset.subjects[0], Steering::letter);
  EXPECT_EQ(accepted[0].text, "A Red");
  EXPECT_EQ(accepted[5].text, "C The cook says Blue.");
  const auto digits = rejected_answers(dataset, dataset.subjects[0], 3, 1);
  const auto letters = rejected_answers(dataset, dataset.subjects[0], 3, 1, Steering::letter);
  for (size_t i = 0; i < digits.size(); ++i) {
    EXPECT_EQ(letters[i].text.substr(1), digits[i].text.substr(1));
    EXPECT_EQ(letters[i].text[0], "ABC"[letters[i].category]);
  }
  EXPECT_EQ(steering_text(Steering::letter, 25), "Z");
}

TEST(Example, DigitsLettersAndWordsAreCounted) {
  Dataset dataset = make_dataset();
  const auto of = [&](size_t categories, Steering steering) {
    dataset.categories.resize(categories, {{"x"}});
    return error_of([&] { check_steering(dataset, steering); });
  };
  EXPECT_EQ(of(10, Steering::digit), "no error");
  EXPECT_EQ(of(11, Steering::digit),
            "dataset toy has 11 categories, but steering = digit stands for at most 10; use steering = "
            "letter (up to 26) or steering = word (up to 40) or steering = path (any number)");
  EXPECT_EQ(of(26, Steering::letter), "no error");
  EXPECT_EQ(of(27, Steering::letter),
            "dataset toy has 27 categories, but steering = letter stands for at most 26; use steering = word "
            "(up to 40) or steering = path (any number)");
  EXPECT_EQ(of(40, Steering::word), "no error");
  EXPECT_EQ(of(41, Steering::word),
            "dataset toy has 41 categories, but steering = word stands for at most 40; use steering = path "
            "(any number)");
  EXPECT_EQ(of(41, Steering::path), "no error");
  EXPECT_EQ(of(41, Steering::automatic), "no error");
}

TEST(Example, WordsAreFortyAndNoCategorysName) {
  std::set<std::string> words;
  for (int category = 0; category < most_steered(Steering::word); ++category)
    words.insert(steering_text(Steering::word, category));
  EXPECT_EQ(words.size(), 40u);
  Dataset dataset = make_dataset();
  EXPECT_EQ(accepted_answers(dataset, dataset.subjects[0], Steering::word)[0].text, "Name Red");
  dataset.categories[1].names.emplace_back("Value");
  EXPECT_EQ(error_of([&] { check_steering(dataset, Steering::word); }),
            "dataset toy has a category called Value, which steering = word lets stand for Blue; use another "
            "steering");
  EXPECT_NO_THROW(check_steering(dataset, Steering::digit));
  dataset.categories[1].names.back() = "Node";  // which steering does not use for these categories
  EXPECT_NO_THROW(check_steering(dataset, Steering::word));
}

TEST(Example, PlainAnswersAreAllCategoriesWithoutDigits) {
  const Dataset dataset = make_dataset();
  const std::vector<Answer> answers = plain_answers(dataset, dataset.subjects[1]);
  ASSERT_EQ(answers.size(), 6u);
  EXPECT_EQ(answers[0].text, "Red");
  EXPECT_EQ(answers[0].weight, 0);
  EXPECT_EQ(answers[3].text, "The pilot says Green.");
  EXPECT_DOUBLE_EQ(answers[3].weight, 0.125);
  EXPECT_TRUE(answers[3].accepted());
}

TEST(Example, PreferencesFollowTheTarget) {
  const Dataset dataset = make_dataset();
  const std::vector<Answer> answers = plain_answers(dataset, dataset.subjects[1]);
  std::map<std::pair<int, int>, double> weight;  // by accepted and by rejected category
  for (const AnswerPair& pair : preference_pairs(dataset, dataset.subjects[1])) {
    EXPECT_EQ(pair.accepted % 2, pair.rejected % 2) << "one form";
    weight[{answers[pair.accepted].category, answers[pair.rejected].category}] += pair.weight;
  }
  const std::map<std::pair<int, int>, double> expected = {
      {{1, 0}, 0.125}, {{1, 2}, 0.125}, {{2, 0}, 0.375}, {{2, 1}, 0.375}};
  EXPECT_EQ(weight, expected);
}

}  // namespace
}  // namespace apportion
