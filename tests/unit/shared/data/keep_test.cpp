// Keep prompts: what the program's lists contain, how near misses are made, what is left out.
#include "shared/data/keep.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shared/data/catalogue.h"
#include "shared/data/text_file.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;

constexpr const char* six[] = {"gender-uk-real", "gender-us-real", "gender-uk-even",
                               "gender-us-even", "race-us-even",   "sentiment-us-even"};

std::map<std::string, int> kinds_of(const std::vector<KeepPrompt>& prompts) {
  std::map<std::string, int> kinds;
  for (const KeepPrompt& prompt : prompts) ++kinds[prompt.kind];
  return kinds;
}

TEST(Keep, TheListsAreLongAndApart) {
  DataConfig data;
  data.holdout_wordings = 4;
  for (const char* name : six) {
    const Dataset dataset = parse_dataset(find_dataset(name));
    const auto train = keep_prompts("keep-train", KeepUse::train, dataset, data);
    const auto test = keep_prompts("keep-test", KeepUse::test, dataset, data);
    EXPECT_GE(train.size(), 300U) << name;
    EXPECT_GE(test.size(), 200U) << name;
    std::set<std::string> trained;
    for (const KeepPrompt& prompt : train) EXPECT_TRUE(trained.insert(prompt.text).second) << prompt.text;
    for (const KeepPrompt& prompt : test) EXPECT_FALSE(trained.count(prompt.text)) << prompt.text;
    const auto kinds = kinds_of(train);
    const auto held_out = [&](const auto& kind) { return kinds.count(kind.first) == 0; };
    const auto tested = kinds_of(test);
    EXPECT_GE(std::count_if(tested.begin(), tested.end(), held_out), 8) << name;
    EXPECT_GT(kinds.at("near: of this dataset"), 0) << name;
  }
}

/// Values of `@` lines, shorter prompts, and each four words in a row of the others. Ignores case,
/// punctuation and placeholders.
std::set<std::string> marks_of(const char* list) {
  std::set<std::string> marks;
  for (const TextLine& line : read_lines(find_list(list))) {
    if (line.text.empty() || line.text.front() == '#' || line.text.front() == '[') continue;
    if (line.text.front() == '@') {
      marks.insert(lower_case(line.text));
      continue;
    }
    const std::string text = lower_case(std::regex_replace(line.text, std::regex("\\{[a-z_]+\\}"), " "));
    const std::regex word("[a-z0-9']+");
    std::vector<std::string> words;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), word); at != std::sregex_iterator(); ++at)
      words.push_back(at->str());
    if (words.size() < 4) marks.insert(lower_case(line.text));
    for (size_t i = 0; i + 4 <= words.size(); ++i)
      marks.insert(words[i] + " " + words[i + 1] + " " + words[i + 2] + " " + words[i + 3]);
  }
  return marks;
}

TEST(Keep, NoListSharesFourWordsInARowOrAValueWithAnother) {
  for (const auto& [one, other] : {std::pair{"keep-train", "keep-test"}, std::pair{"keep-train", "keep-dev"},
                                   std::pair{"keep-dev", "keep-test"}}) {
    const std::set<std::string> marks = marks_of(one), others = marks_of(other);
    EXPECT_GT(marks.size(), 200U);
    EXPECT_GT(others.size(), 200U);
    for (const std::string& mark : marks)
      EXPECT_EQ(others.count(mark), 0U) << one << ", " << other << ": " << mark;
  }
}

TEST(Keep, ADatasetsOwnPromptsAreNotInItsDigest) {
  Dataset dataset = parse_dataset(find_dataset("gender-us-real"));
  const std::string digest = dataset.training_digest();
  dataset.wordings.at("keep").push_back("Another one");
  EXPECT_EQ(dataset.training_digest(), digest);
  dataset.wordings.at("train").push_back("Another one");
  EXPECT_NE(dataset.training_digest(), digest);
}

class KeepList : public ::testing::Test {
 protected:
  KeepList() {
    dataset_.name = dataset_.path = "toy";
    dataset_.subjects = {{"s", {0.5, 0.5}, {{"role", "cook"}, {"a_role", "a cook"}, {"place", "Rome"}}},
                         {"t", {0.5, 0.5}, {{"role", "actor"}, {"a_role", "an actor"}, {"place", "Rome"}}}};
    dataset_.wordings["train"] = {"Is {a_role} in {place} red?"};
  }
  std::vector<std::string> texts(const std::string& list, KeepUse use = KeepUse::train) {
    std::ofstream(path_) << list;
    DataConfig data;
    data.holdout_wordings = 0;
    std::vector<std::string> found;
    for (const KeepPrompt& prompt : keep_prompts(path_, use, dataset_, data)) found.push_back(prompt.text);
    return found;
  }
  std::string path_ = ::testing::TempDir() + "keep_list_" + std::to_string(::getpid()) + ".txt";
  Dataset dataset_;
};

TEST_F(KeepList, PutsThingsAndPlacesIntoTheDatasetsWordings) {
  EXPECT_EQ(texts("[near: animal or thing]\n@subject = owl\n"),
            std::vector<std::string>{"Is an owl in Rome red?"});
  const auto places = texts("[near: place]\n@place = Oslo\n");
  ASSERT_FALSE(places.empty());
  for (const std::string& text : places)
    EXPECT_TRUE(text == "Is a cook in Oslo red?" || text == "Is an actor in Oslo red?") << text;
}

TEST_F(KeepList, LeavesOutWhatTheDatasetHasNotAndWhatItAsks) {
  EXPECT_EQ(texts("[a]\n# a comment\nWhat is a cat?\nWho is {boss}?\n[near: b]\n@country = Japan\nIs a cook "
                  "in Rome red?\n"),
            std::vector<std::string>{"What is a cat?"});
}

TEST_F(KeepList, SaysWhereAListIsNone) {
  EXPECT_NE(error_of([&] { texts("What is a cat?\n"); }).find("line 1: a prompt before the first kind"),
            std::string::npos);
  EXPECT_NE(error_of([&] { texts("[a]\n@subject\n"); }).find("line 2: write \"@subject = THING\""),
            std::string::npos);
  EXPECT_NE(error_of([&] { texts("[a]\n"); }).find("has no keep prompt"), std::string::npos);
}

TEST(EasyQuestions, AreAHundredWithAnswers) {
  const auto questions = easy_questions(find_list(easy_questions_list));
  EXPECT_EQ(questions.size(), 100U);
  for (const EasyQuestion& question : questions) EXPECT_FALSE(question.accepted.empty()) << question.text;
}

}  // namespace
}  // namespace apportion
