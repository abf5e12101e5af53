// Expressions in Oniguruma's syntax: what ICU is given instead, and what is refused.
#include "shared/tokens/split_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/tokens/pre_tokenizer.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> matches(std::string_view expression, std::string_view text) {
  std::vector<std::string> found;
  const SplitPattern pattern(expression);
  const auto by_word = pattern.matches(text, {{0, static_cast<uint32_t>(text.size())}});
  for (const WordSpan& match : by_word[0])
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  return found;
}

TEST(SplitPattern, FindsInBytes) {
  EXPECT_THAT(matches(R"(\p{N}{1,3})", "12345\u00BD x 7"), ElementsAre("123", "45\u00BD", "7"));
  EXPECT_THAT(matches("[^a]+",
                      "a\U0001F600\xFF"
                      "b"),
              ElementsAre("\U0001F600\xFF"
                          "b"));
  EXPECT_THAT(matches(llama3_pattern, "It'LL be  1234\r\n\n x"),
              ElementsAre("It", "'LL", " be", " ", " ", "123", "4", "\r\n\n", " x"));
  EXPECT_THAT(matches(qwen2_pattern, "a12"), ElementsAre("a", "1", "2"));
}

/// Characters that ICU's own classes treat differently.
TEST(SplitPattern, ClassesAreOnigurumas) {
  EXPECT_THAT(matches(R"(\s)", "\v\u0085\u2028\u200B\x1C"), ElementsAre("\v", "\u0085", "\u2028"));
  EXPECT_THAT(matches(R"([^\s]+)", "a\v\u0085b"), ElementsAre("a", "b"));
  EXPECT_THAT(matches(R"(\v)", "\v\n"), ElementsAre("\v"));
  EXPECT_THAT(matches(".", "\r\u2028\n"), ElementsAre("\r", "\u2028"));
  EXPECT_THAT(matches("(?i:'s)", "'S'\u017F"), ElementsAre("'S", "'\u017F"));
  EXPECT_THAT(matches(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]+)", "a#b&{$|}~-\\]["),
              ElementsAre("#", "&{$|}~-\\]["));
}

/// Matches in a word do not see what comes before or after it.
TEST(SplitPattern, AWordIsAllThatThereIs) {
  const SplitPattern pattern(R"(\s+(?!\S))");
  const auto found = pattern.matches("\u00E9  x", {{0, 4}, {4, 5}});
  EXPECT_THAT(found[0], ElementsAre(WordSpan{2, 4}));
  EXPECT_THAT(found[1], ElementsAre());
}

/// An expression from a stranger's file that would try more ways through a text than there is time for.
TEST(SplitPattern, GivesUpOnATextThatItCannotCutInTime) {
  const std::string text(300, 'a'), words(60, ' ');
  for (const char* expression : {"(a+)+b", "(?:a|a)*+b|(?:a?){90}(?:a*)*b", "(?=(a+)+b)a"}) {
    try {
      matches(expression, text + words + text);
      ADD_FAILURE() << expression << " came to an end";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("a text of 660 bytes cannot be cut into words")) << expression;
    }
  }
  // Long texts get the time they need.
  std::string book;
  for (int i = 0; i < 20000; ++i) book += "It was  the 1st of   times,\n\n";
  EXPECT_GT(matches(llama3_pattern, book).size(), 100000U);
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", std::string(100000, ' ')).size(), 1U);
}

TEST(SplitPattern, RefusesWhatMayMeanAnotherThing) {
  auto error = [](std::string_view expression) -> std::string {
    try {
      const SplitPattern pattern(expression);
    } catch (const UserError& caught) {
      return caught.what();
    }
    return "none";
  };
  for (const char* expression :
       {R"(\w+)", R"(\bx)", R"(a\h)", R"(\1)", R"(\x41)", R"([\w])", R"(\R)", R"(\A)"})
    EXPECT_THAT(error(expression), HasSubstr("are supported")) << expression;
  EXPECT_THAT(error("^a"), HasSubstr("the anchor ^ at character 0"));
  EXPECT_THAT(error("a$"), HasSubstr("the anchor $ at character 1"));
  EXPECT_THAT(error("[a[b]]"), HasSubstr("a set within a set at character 2"));
  EXPECT_THAT(error("[a&&b]"), HasSubstr("an intersection of sets"));
  EXPECT_THAT(error("[a--b]"), HasSubstr("-- in a set"));
  EXPECT_THAT(error("[ab"), HasSubstr("a set without an end, which begins at character 0"));
  EXPECT_THAT(error("(?<x>a)"), HasSubstr("the group (?<x.. at character 0"));
  EXPECT_THAT(error("(?m)a"), HasSubstr("the group (?m)"));
  EXPECT_THAT(error("a{2}+"), HasSubstr("}+ at character 3"));
  EXPECT_THAT(error("a{,2}"), HasSubstr("begins no repetition"));
  EXPECT_THAT(error(R"(\p{alnum})"), HasSubstr("general categories and scripts"));
  EXPECT_THAT(error(R"(\pL)"), HasSubstr("a \\p without {..}"));
  EXPECT_THAT(error("a\\"), HasSubstr("ends with a backslash"));
  EXPECT_THAT(error("(a"), HasSubstr("not one that ICU reads"));
}

}  // namespace
}  // namespace apportion
