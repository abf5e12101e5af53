// Valid UTF-8 stays; anything else, and NUL, becomes U+FFFD.
#include "shared/store/utf8.h"

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

}  // namespace
}  // namespace apportion
