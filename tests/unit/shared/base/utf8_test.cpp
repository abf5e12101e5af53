// Valid UTF-8 stays; anything else, and NUL, becomes U+FFFD. JSON is read unless it is nested too deeply.
#include "shared/base/utf8.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

TEST(TextInMessage, IsOneLineOfBoundedLength) {
  EXPECT_EQ(text_in_message("a\nb\x1F\t\u00e9\x7F\xFF"), "a\\nb\\x1F\\x09\u00e9\\x7F\uFFFD");
  EXPECT_EQ(text_in_message("a\u009Bb\u00A0\xC2\"\xC2"), "a\\x9Bb\u00A0\uFFFD\"\uFFFD");
  EXPECT_EQ(text_in_message(std::string(300, 'a')).size(), 300u);
  const std::string cut = text_in_message(std::string(301, 'a'));
  EXPECT_EQ(cut.find_first_not_of('a'), 300u);
  EXPECT_EQ(cut.substr(300), "..");
}

TEST(IsUtf8, FindsTheFirstByteThatIsNone) {
  EXPECT_TRUE(is_utf8(std::string_view("a\0\u2603", 5)));
  EXPECT_EQ(first_invalid_byte("\u2603\xFCx"), 3u);
  EXPECT_FALSE(is_utf8("\xE2\x98"));
}

/// Copying or writing such a value recurses once for each list.
TEST(ParseJson, RefusesWhatLiesTooDeep) {
  using nlohmann::json;
  auto lists = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json<json>(lists(100)).is_array());
  EXPECT_TRUE(parse_json<json>(lists(101)).is_discarded());
  EXPECT_TRUE(parse_json<json>(R"({"a": )" + lists(200'000) + "}").is_discarded());
  EXPECT_EQ(first_too_deep(R"({"a": )" + lists(200)), 6U + 99U);
  // Side by side there may be any number of lists, and brackets inside a text do not count.
  std::string many = "[0";
  for (int i = 0; i < 500; ++i) many += R"(, {"a\"": []})";
  EXPECT_EQ(parse_json<json>(many + "]").size(), 501U);
  EXPECT_EQ(parse_json<json>(R"(["\"\\", ")" + std::string(500, '[') + "\"]").size(), 2U);
  EXPECT_TRUE(parse_json<json>("[1").is_discarded());
}

}  // namespace
}  // namespace apportion
