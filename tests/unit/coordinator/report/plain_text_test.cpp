// Other people's texts, character by character: invisible ones are shown or reported, and the rest stays.
#include "coordinator/report/plain_text.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(PlainText, HasLettersOfEveryLength) {
  const std::string text = "aé€🧑";
  std::vector<char32_t> codes;
  std::string again;
  for (const Letter& letter : letters_of(text)) {
    codes.push_back(letter.code);
    again += letter.bytes;
  }
  EXPECT_EQ(codes, (std::vector<char32_t>{'a', 0xE9, 0x20AC, 0x1F9D1}));
  EXPECT_EQ(again, text);
}

TEST(PlainText, IsOneLineWithoutWhatIsUnseen) {
  EXPECT_EQ(plain_line("a\nb\tc\r"), "a b c ");
  EXPECT_EQ(plain_line("حداد 🧑\u200D🚒"), "حداد 🧑\u200D🚒");
  EXPECT_EQ(plain_line("\u202Egnp.\u2066x\u200F\x1B[31m"), "\uFFFDgnp.\uFFFDx\uFFFD\uFFFD[31m");
  EXPECT_EQ(plain_line(std::string("a\0\xFF", 3)), "a\uFFFD\uFFFD");
  EXPECT_EQ(plain_line("\u0085\u2028\uFEFF\uFFFF"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(PlainText, IsQuotedForYamlAndPython) {
  EXPECT_EQ(quoted_line("a \"b\" \\c"), R"("a \"b\" \\c")");
  EXPECT_EQ(quoted_line("a\nb\t\u202E\u0085 é🧑"), "\"a\\nb\\u0009\\u202E\\u0085 é🧑\"");
}

}  // namespace
}  // namespace apportion
