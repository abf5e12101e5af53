// What a few rounds predict about many.
#include "worker/sample/forecast_rounds.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(ForecastRounds, WhereEachRoundComesToNodesOfItsOwnTheyGrowWithTheRounds) {
  const RoundsTried wide{256, 1, 1000, 1000, 1000, 1};
  EXPECT_DOUBLE_EQ(nodes_of_rounds(wide, 2560, 100), 10000);
  EXPECT_DOUBLE_EQ(nodes_of_rounds(wide, 2560, 3), 2560 * 3) << "a round has no more nodes than tokens";
}

TEST(ForecastRounds, WhereAllRoundsComeToTheSameNodesThereAreNoMore) {
  const RoundsTried narrow{256, 1, 12, 0, 40, 1};
  EXPECT_DOUBLE_EQ(nodes_of_rounds(narrow, 10000000, 32), 12);
}

TEST(ForecastRounds, SecondsFollowTheTokensOfAllPrompts) {
  const RoundsTried tried{256, 2, 200, 100, 220, 4};  // two prompts of 10 tokens
  MeasurePrompt prompt;
  prompt.tokens.assign(10, 0);
  prompt.rounds = 256 * 4;
  // Four times as many rounds make twice as many nodes, by the square root.
  EXPECT_DOUBLE_EQ(seconds_of_rounds(tried, {{prompt, prompt}, {prompt}}, 32), 4.0 / 220 * 3 * 210);
  EXPECT_EQ(seconds_of_rounds({}, {{prompt}}, 32), 0);
}

}  // namespace
}  // namespace apportion
