// Columns of characters as people see them.
#include "shared/data/text_width.h"

#include <gtest/gtest.h>

#include <string>

namespace apportion {
namespace {

/// "bytes/columns" of each character.
std::string seen(std::string_view text) {
  std::string all;
  while (!text.empty()) {
    const SeenCharacter character = first_character(text);
    all +=
        (all.empty() ? "" : " ") + std::to_string(character.bytes) + "/" + std::to_string(character.columns);
    text.remove_prefix(character.bytes);
  }
  return all;
}

TEST(TextWidth, CharactersOfEastAsiaTakeTwo) {
  EXPECT_EQ(seen("aé"), "1/1 2/1");
  EXPECT_EQ(seen("男カ한"), "3/2 3/2 3/2");
  EXPECT_EQ(seen("ｶ"), "3/1");  // half-width
  EXPECT_EQ(seen("…█"), "3/1 3/1");
}

TEST(TextWidth, MarksTakeNone) {
  EXPECT_EQ(seen("e\u0301x"), "3/1 1/1");
  EXPECT_EQ(seen("น้ำ"), "9/1");
  EXPECT_EQ(seen("\u200B"), "3/0");
  EXPECT_EQ(seen("\u0301"), "2/0");
}

TEST(TextWidth, EmojiTakeTwo) {
  EXPECT_EQ(seen("😀"), "4/2");
  EXPECT_EQ(seen("👩\u200D⚕\uFE0F"), "13/2");  // joined: a female doctor
  EXPECT_EQ(seen("👋🏽"), "8/2");         // with a skin tone
  EXPECT_EQ(seen("🇯🇵"), "8/2");               // a flag
  EXPECT_EQ(seen("☂\uFE0F☂"), "6/2 3/1");     // as an emoji, and as text
}

TEST(TextWidth, WhatIsNoUtf8IsCutByteByByte) {
  EXPECT_EQ(first_character("\xFFzz").bytes, 1U);
  EXPECT_EQ(first_character("\xE7\x94").bytes, 2U);  // cut in the middle
}

}  // namespace
}  // namespace apportion
