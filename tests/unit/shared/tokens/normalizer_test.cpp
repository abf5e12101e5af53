// Normalized forms of a text and where their bytes come from.
#include "shared/tokens/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

using Kind = NormalizerStep::Kind;

const NormalizerStep nfc{Kind::nfc, {}, {}}, nfkc{Kind::nfkc, {}, {}};

TEST(Normalizer, ComposesAndFolds) {
  EXPECT_EQ(Normalizer({nfc}).normalize("e\u0301 \u1100\u1161\u11A8 \u2126 \uFB01"),
            "\u00E9 \uAC01 \u03A9 \uFB01");
  EXPECT_EQ(Normalizer({nfkc}).normalize("\uFB01\u2167\uFF21"), "fiVIIIA");
  EXPECT_EQ(Normalizer({}).normalize("e\u0301"), "e\u0301");
}

TEST(Normalizer, LeavesBytesThatAreNoText) {
  EXPECT_EQ(Normalizer({nfc}).normalize("\xFF\xE2\x82 e\u0301\xC0"), "\xFF\xE2\x82 \u00E9\xC0");
}

TEST(Normalizer, StepsGoOneAfterTheOther) {
  const Normalizer llama({{Kind::prepend, {}, "_"}, {Kind::replace, " ", "_"}});
  EXPECT_EQ(llama.normalize(" a  b"), "__a__b");
  EXPECT_EQ(llama.normalize(""), "");
  EXPECT_EQ(Normalizer({{Kind::replace, "aa", "b"}}).normalize("aaaxaa"), "baxb");
}

TEST(Normalizer, KnowsWhereEachByteComesFrom) {
  AlignedText text("\u00FCe\u0301 x", 100);
  Normalizer({nfc, {Kind::prepend, {}, "__"}, {Kind::replace, " ", "\u2581"}}).apply(text);
  ASSERT_EQ(text.text(), "__\u00FC\u00E9\u2581x");
  EXPECT_EQ(text.origin(0, 2), (WordSpan{100, 102}));  // a prepended text gets the first character's place
  EXPECT_EQ(text.origin(2, 3), (WordSpan{100, 101}));
  EXPECT_EQ(text.origin(4, 6), (WordSpan{102, 105}));  // one character composed of two
  EXPECT_EQ(text.origin(5, 6), (WordSpan{102, 105}));
  EXPECT_EQ(text.origin(6, 9), (WordSpan{105, 106}));
  EXPECT_EQ(text.origin(9, 10), (WordSpan{106, 107}));
}

TEST(Normalizer, ATextThatStaysIsNotCopied) {
  const std::string original = "\u00E9 stays";
  AlignedText text(original, 7);
  Normalizer({nfc}).apply(text);
  EXPECT_EQ(text.text().data(), original.data());
  EXPECT_EQ(text.origin(1, 4), (WordSpan{8, 11}));
}

/// A stranger's file could ask for 2^40 bytes.
TEST(Normalizer, ATextThatGrowsWithoutEndIsRefused) {
  const Normalizer doubles(std::vector<NormalizerStep>(40, {Kind::replace, "a", "aa"}));
  EXPECT_EQ(doubles.normalize("bcd"), "bcd");
  try {
    doubles.normalize("a");
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("a text of 1 bytes becomes more than 65600"));
  }
}

}  // namespace
}  // namespace apportion
