// A judge's verdicts replace what a measure task read.
#include "coordinator/judge/judging.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/measure/category.h"

namespace apportion {
namespace {

/// Judges a story by its first letter.
class FirstLetter : public Judge {
 public:
  int judge(const std::string& story) override {
    ++asked;
    return story[0] == 'm' ? 0 : story[0] == 'f' ? 1 : story[0] == '?' ? judge_failed : unparsed;
  }
  int asked = 0;
};

TEST(Judging, PutsTheVerdictInTheCategorysPlace) {
  PromptResult prompt;
  prompt.counts = {4, 1, 6, 0};
  prompt.no_story = 3;
  prompt.steering = {0.5, 0.25};
  prompt.low = {0.1, 0.2};
  prompt.unexplored = 0.5;
  prompt.answers = {{unparsed, 6, -1, Finish::end, "f"},
                    {0, 4, -1, Finish::cut, "m"},
                    {no_story, 3, -1, Finish::end, "m0"},
                    {1, 1, -1, Finish::end, "?"},
                    {unparsed, 2, -1, Finish::end, "x"}};
  prompt.counts[2] = 8;
  MeasureResult measured{1, 2, 2, {prompt, prompt}};
  FirstLetter judge;
  size_t last = 0;
  const MeasureResult result = judged(measured, judge, [&](size_t done, size_t all) {
    EXPECT_EQ(done, ++last);
    EXPECT_EQ(all, 4u);
  });
  EXPECT_EQ(judge.asked, 4) << "a text is asked about once, and what is no story never";
  for (const PromptResult& one : result.prompts) {
    EXPECT_EQ(one.counts, (std::vector<uint64_t>{4, 6, 2, 0}));
    EXPECT_EQ(one.no_story, 3u);
    EXPECT_EQ(one.judge_failed, 1u);
    EXPECT_EQ(rounds_of(one), rounds_of(prompt));
    EXPECT_EQ(one.steering, prompt.steering);
    EXPECT_EQ(one.low, (std::vector<double>{0, 0}));
    EXPECT_EQ(one.unexplored, 1);
    EXPECT_EQ(one.answers[0].category, 1);
    EXPECT_EQ(one.answers[2].category, no_story);
    EXPECT_EQ(one.answers[3].category, judge_failed);
  }
}

TEST(Judging, StoriesThatAreNotListedCountAsFailed) {
  PromptResult prompt;
  prompt.counts = {5, 0, 2, 0};
  prompt.no_story = 4;
  prompt.low = {0, 0};
  prompt.answers = {{0, 3, -1, Finish::end, "f"}};
  prompt.unlisted = {2, 0, 2, 0, 4, 0};
  prompt.unlisted_answers = 8;
  FirstLetter judge;
  const PromptResult one = judged({1, 1, 2, {prompt}}, judge, [](size_t, size_t) {}).prompts[0];
  EXPECT_EQ(one.counts, (std::vector<uint64_t>{0, 3, 0, 0}));
  EXPECT_EQ(one.no_story, 4u) << "that they are none was known before";
  EXPECT_EQ(one.judge_failed, 4u);
  EXPECT_EQ(one.unlisted, (std::vector<uint64_t>{0, 0, 0, 0, 4, 4}));
  EXPECT_EQ(rounds_of(one), rounds_of(prompt));
}

TEST(Judging, TheLexicalJudgeIsAlwaysThere) {
  Dataset dataset;
  dataset.categories = {{{"a"}}, {{"b"}}};
  RunConfig config;
  ASSERT_EQ(judges_of(config, dataset, {}).size(), 1u);
  EXPECT_EQ(judges_of(config, dataset, {})[0].at("name"), "lexical");
  config.judge.name = "http://host";
  config.judge.model = "m";
  ASSERT_EQ(judges_of(config, dataset, {}).size(), 2u);
  EXPECT_EQ(judges_of(config, dataset, {})[1].at("name"), "m");
  config.judge.name = "local";
  config.judge.model = "shape:1b";
  EXPECT_THROW(judges_of(config, dataset, {}), UserError);
}

}  // namespace
}  // namespace apportion
