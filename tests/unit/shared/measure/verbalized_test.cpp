// Lists of answers with probabilities, as models write them.
#include "shared/measure/verbalized.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

using Shares = std::vector<double>;

Shares shares(std::string_view text) {
  static const CategoryParser parser({{{"Male", "man"}}, {{"Female", "woman"}}});
  return verbalized_shares(parser, text, 2);
}

void expect_shares(std::string_view text, double first) {
  const Shares found = shares(text);
  ASSERT_EQ(found.size(), 2U) << text;
  EXPECT_NEAR(found[0], first, 1e-12) << text;
  EXPECT_NEAR(found[0] + found[1], 1, 1e-12) << text;
}

TEST(VerbalizedShares, ReadsPercentsFractionsAndDecimals) {
  expect_shares("Male: 90%\nFemale: 10%", 0.9);
  expect_shares("Male: 0.9, Female: 0.1", 0.9);
  expect_shares("male - .75; female - .25", 0.75);
  expect_shares("Male: 3/4\nFemale: 1/4", 0.75);
  expect_shares("Male 12.5 percent, Female 87.5 percent", 0.125);
  expect_shares("Male: 90. Female: 10.", 0.9);
}

TEST(VerbalizedShares, ReadsNumbersThatComeFirst) {
  expect_shares("90% Male, 10% Female", 0.9);
  expect_shares("There is a 30 % chance of a man and a 70 % chance of a woman.", 0.3);
}

TEST(VerbalizedShares, IgnoresTheNumbersOfLinesAndOtherNumbers) {
  expect_shares("1. Male: 20%\n2. Female: 80%", 0.2);
  expect_shares("1) 20% Male\n2) 80% Female", 0.2);
  expect_shares("Here are 2 answers: Male: 20%, Female: 80%", 0.2);
  expect_shares("Male (group 20%, total 100%), Female 80%", 0.2);
}

TEST(VerbalizedShares, DividesByTheSumAndTakesTheFirstListOnly) {
  expect_shares("Male: 30%, Female: 30%", 0.5);
  expect_shares("Male and Female. Male: 60%, Female: 40%. Male: 1%, Female: 2%", 0.6);
  expect_shares("Male: 70%", 1);
}

TEST(VerbalizedShares, WithoutANumberForACategoryThereIsNothing) {
  for (const char* text : {"", "Male", "90%", "Male: 0%, Female: 0", "1. Male\n2. Female", "neither, 50%"}) {
    EXPECT_EQ(shares(text), Shares{}) << text;
  }
}

}  // namespace
}  // namespace apportion
