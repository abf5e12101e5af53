// Texts that remember who wrote them: pieces, cutting, UTF-8 characters and white space.
#include "shared/jinja/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion::jinja {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

MarkedText mixed() {
  MarkedText text("<a>", Origin::template_text);
  text.append("user", Origin::input);
  text.append("</a>", Origin::template_text);
  return text;
}

TEST(MarkedText, NeighboursOfOneOriginAreOnePiece) {
  MarkedText text;
  text.append("", Origin::input);
  text.append("a", Origin::template_text);
  text.append("b", Origin::template_text);
  text.append(MarkedText("c", Origin::input));
  EXPECT_THAT(text.pieces(),
              ElementsAre(TextPiece{"ab", Origin::template_text}, TextPiece{"c", Origin::input}));
  EXPECT_EQ(text.size(), 3U);
  EXPECT_EQ(text.str(), "abc");
}

TEST(MarkedText, ASliceKeepsWhoWroteWhat) {
  EXPECT_THAT(mixed().slice(1, 5).pieces(),
              ElementsAre(TextPiece{"a>", Origin::template_text}, TextPiece{"us", Origin::input}));
  EXPECT_THAT(mixed().slice(3, 7).pieces(), ElementsAre(TextPiece{"user", Origin::input}));
  EXPECT_THAT(mixed().slice(7, 99).pieces(), ElementsAre(TextPiece{"</a>", Origin::template_text}));
  EXPECT_THAT(mixed().slice(5, 5).pieces(), IsEmpty());
}

TEST(MarkedText, OnePieceOfInputMakesAllOfItInput) {
  EXPECT_EQ(mixed().origin(), Origin::input);
  EXPECT_EQ(mixed().slice(0, 3).origin(), Origin::template_text);
  EXPECT_EQ(MarkedText().origin(), Origin::template_text);
}

TEST(CharacterStarts, AreThoseOfUtf8AndOfSingleBytesWhereItIsNone) {
  EXPECT_THAT(character_starts(""), ElementsAre(0));
  EXPECT_THAT(character_starts("a\u00e9\u65e5\U0001f600"), ElementsAre(0, 1, 3, 6, 10));
  EXPECT_THAT(character_starts("\xFF\xC3z"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(character_starts("\xE6\x97"), ElementsAre(0, 1, 2));
}

TEST(Stripped, LeavesOutWhatPythonCallsWhiteSpace) {
  EXPECT_THAT(stripped(" \t\n\v\f\r\x1c\x1f a b \u00a0\u3000\u2028\u0085"), Pair(9, 12));
  EXPECT_THAT(stripped("\u200b x"), Pair(0, 5));  // a zero-width space is not white space
  EXPECT_THAT(stripped(" \u1680\u202f "), Pair(8, 8));
  EXPECT_THAT(stripped("\xA0x\xA0"), Pair(0, 3));  // not UTF-8, so not a space
  EXPECT_EQ(trailing_space("x\u2003 "), 4U);
  EXPECT_EQ(leading_space("\u2003 x"), 4U);
}

}  // namespace
}  // namespace apportion::jinja
