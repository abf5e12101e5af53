// Words as each kind of step cuts them. tests/conformance/tokens/tokenizer_families_test.py compares whole
// published pre-tokenizers with a peer.
#include "shared/tokens/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = PreTokenizerStep::Kind;

std::vector<std::string> words(std::vector<PreTokenizerStep> steps, std::string_view text,
                               uint32_t base = 0) {
  TokenizerTables tables;
  tables.pre_tokenizer.value = std::move(steps);
  AlignedText aligned(text, base);
  std::vector<std::string> result;
  const PreTokenizer pre_tokenizer(tables);
  for (const WordSpan& word : pre_tokenizer.words(aligned))
    result.emplace_back(aligned.text().substr(word.begin, word.end - word.begin));
  return result;
}

PreTokenizerStep step(Kind kind, std::string_view pattern = {},
                      SplitBehaviour behaviour = SplitBehaviour::isolated, bool invert = false) {
  PreTokenizerStep made;
  made.kind = kind;
  made.pattern = pattern;
  made.behaviour = behaviour;
  made.invert = invert;
  return made;
}

TEST(PreTokenizer, WithoutStepsATextIsAWord) {
  EXPECT_THAT(words({}, "a b"), ElementsAre("a b"));
  EXPECT_THAT(words({}, ""), ElementsAre());
}

/// As the documentation of `tokenizers` describes its behaviours.
TEST(PreTokenizer, BehavioursOfMatches) {
  const std::string_view text = "the-final--countdown-";
  auto cut = [&](SplitBehaviour behaviour) { return words({step(Kind::text, "-", behaviour)}, text); };
  EXPECT_THAT(cut(SplitBehaviour::removed), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(cut(SplitBehaviour::isolated), ElementsAre("the", "-", "final", "-", "-", "countdown", "-"));
  EXPECT_THAT(cut(SplitBehaviour::merged_with_previous), ElementsAre("the-", "final-", "-", "countdown-"));
  EXPECT_THAT(cut(SplitBehaviour::merged_with_next), ElementsAre("the", "-final", "-", "-countdown", "-"));
  EXPECT_THAT(cut(SplitBehaviour::contiguous), ElementsAre("the", "-", "final", "--", "countdown", "-"));
  EXPECT_THAT(words({step(Kind::regex, "[a-z]+", SplitBehaviour::removed, true)}, text),
              ElementsAre("the", "final", "countdown"));
}

TEST(PreTokenizer, DigitsOneByOneOrInRuns) {
  EXPECT_THAT(words({step(Kind::digits)}, "a12\u0663"), ElementsAre("a", "1", "2", "\u0663"));
  EXPECT_THAT(words({step(Kind::digits, {}, SplitBehaviour::contiguous)}, "a12b"),
              ElementsAre("a", "12", "b"));
}

TEST(PreTokenizer, EachStepCutsTheWordsOfTheOneBefore) {
  EXPECT_THAT(
      words({step(Kind::text, ",", SplitBehaviour::removed), step(Kind::regex, R"(\s+(?!\S))")}, "a ,b"),
      ElementsAre("a", " ", "b"));
}

/// SmolLM's hand-written word splitting equals its two steps, which a third step in between, without effect,
/// keeps separate.
TEST(PreTokenizer, TheShortWayOfSmollmIsTheSame) {
  const auto digits = step(Kind::digits), regex = step(Kind::regex, gpt2_pattern);
  const auto nothing = step(Kind::text, "\x01", SplitBehaviour::isolated);
  for (const char* text : {"It's 12  3\t\tx\n", "  a1 \u00BD\u2028 \u3000?! 'll", "\xFF\xC0z 1\u0085 "})
    EXPECT_EQ(words({digits, regex}, text), words({digits, nothing, regex}, text)) << text;
}

TEST(PreTokenizer, MetaspacePutsSignsForBlanks) {
  PreTokenizerStep metaspace = step(Kind::metaspace, "\u2581");
  EXPECT_THAT(words({metaspace}, "a  b"), ElementsAre("a", "\u2581", "\u2581b"));
  metaspace.blank = BlankBefore::first;
  EXPECT_THAT(words({metaspace}, "a b"), ElementsAre("\u2581a", "\u2581b"));
  EXPECT_THAT(words({metaspace}, " a"), ElementsAre("\u2581a"));
  EXPECT_THAT(words({metaspace}, "a", 9), ElementsAre("a"));  // after a special token
  metaspace.blank = BlankBefore::always;
  metaspace.split = false;
  EXPECT_THAT(words({metaspace}, "a b", 9), ElementsAre("\u2581a\u2581b"));
}

TEST(PreTokenizer, ABlankBeforeEachWord) {
  EXPECT_THAT(words({step(Kind::text, ","), step(Kind::blank_before)}, "a, b"),
              ElementsAre(" a", " ,", " b"));
}

TEST(PreTokenizer, AnUnknownExpressionIsAnErrorOfTheFile) {
  TokenizerTables tables;
  tables.file = "t.json";
  tables.pre_tokenizer = {{step(Kind::regex, R"(\w)")}, 12};
  try {
    const PreTokenizer pre_tokenizer(tables);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr(R"(t.json, byte 12: pre_tokenizer \w: the regular expression has \w)"));
  }
}

}  // namespace
}  // namespace apportion
