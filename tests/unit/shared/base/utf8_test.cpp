// Valid UTF-8 stays; anything else, and NUL, becomes U+FFFD.
#include "shared/base/utf8.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(StorableText, KeepsValidText) {
  for (const char* text :
       {"", "plain", "\u00e9", "\u2603", "\U0001F600", "\uD7FF\uE000\uFFFF", "\U0010FFFF"}) {
    EXPECT_EQ(storable_text(text), text);
  }
}

TEST(StorableText, ReplacesEachBadByte) {
  EXPECT_EQ(storable_text(std::string_view("\0", 1)), "\uFFFD");
  EXPECT_EQ(storable_text("a\x80z"), "a\uFFFDz");
  EXPECT_EQ(storable_text("\xC0\x80"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(storable_text("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(storable_text("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(storable_text("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // past U+10FFFF
  EXPECT_EQ(storable_text("\xE2\x98"), "\uFFFD\uFFFD");                      // ends early
}

TEST(IsUtf8, FindsTheFirstByteThatIsNone) {
  EXPECT_TRUE(is_utf8(std::string_view("a\0\u2603", 5)));
  EXPECT_EQ(first_invalid_byte("\u2603\xFCx"), 3u);
  EXPECT_FALSE(is_utf8("\xE2\x98"));
}

}  // namespace
}  // namespace apportion
