// Words of scripts that put no blanks between them.
#include "shared/data/words.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Words, KnowsScriptsWithoutBlanks) {
  for (const char* text : {"男", "の", "カ", "ー", "ก", "ລ", "ខ", "မ", "𠀀"})
    EXPECT_TRUE(has_unspaced(text)) << text;
  for (const char* text : {"", "a", "é", "я", "م", "한국", "—", "😀"})
    EXPECT_FALSE(has_unspaced(text)) << text;
}

TEST(Words, CutsByDictionary) {
  EXPECT_EQ(words_by_dictionary("この人は男性です。"),
            (std::vector<std::string>{"この", "人", "は", "男性", "です"}));
  EXPECT_EQ(words_by_dictionary("เป็นผู้ชาย"), (std::vector<std::string>{"เป็น", "ผู้ชาย"}));
  EXPECT_EQ(words_by_dictionary("他是 one, 2"), (std::vector<std::string>{"他是", "one"}));
}

}  // namespace
}  // namespace apportion
