// SmolLM's words: GPT-2's pattern between digits, and bytes that are not text.
#include "shared/tokens/smollm_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

using testing::ElementsAre;

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  for (WordSpan word : split_smollm(text))
    result.emplace_back(text.substr(word.begin, word.end - word.begin));
  return result;
}

TEST(SmollmWords, CutsAsGpt2sPattern) {
  EXPECT_THAT(words(""), ElementsAre());
  EXPECT_THAT(words("Hello world!"), ElementsAre("Hello", " world", "!"));
  EXPECT_THAT(words("It's we'll 'tis IT'S"),
              ElementsAre("It", "'s", " we", "'ll", " '", "tis", " IT", "'", "S"));
  EXPECT_THAT(words("a  b \n c  "), ElementsAre("a", " ", " b", " \n", " c", "  "));
  EXPECT_THAT(words("x\u00a0\u3000y"), ElementsAre("x", "\u00a0", "\u3000", "y"));
  EXPECT_THAT(words(" ?!"), ElementsAre(" ?!"));
}

TEST(SmollmWords, NumbersStandAloneAndEndTheSpaceBeforeThem) {
  EXPECT_THAT(words("a12 3"), ElementsAre("a", "1", "2", " ", "3"));
  EXPECT_THAT(words("a  \t1"), ElementsAre("a", "  \t", "1"));
  EXPECT_THAT(words("½Ⅷ٣"), ElementsAre("½", "Ⅷ", "٣"));
}

TEST(SmollmWords, InvalidBytesAreSymbols) {
  EXPECT_THAT(words("a\xFF\xC0z"), ElementsAre("a", "\xFF\xC0", "z"));
  EXPECT_THAT(words("a\xE2\x82"), ElementsAre("a", "\xE2\x82"));
}

}  // namespace
}  // namespace apportion
