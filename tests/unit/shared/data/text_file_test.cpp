// Lines, encodings and folding of user-written text files.
#include "shared/data/text_file.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

TEST(TextFile, NumbersLinesAndTakesBothLineEnds) {
  DatasetFolder folder;
  const std::vector<TextLine> lines = read_lines(folder.write("a.txt", "\xEF\xBB\xBFone\r\n\ntwo"));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "one");
  EXPECT_EQ(lines[1].text, "");
  EXPECT_EQ(lines[2].text, "two");
  EXPECT_EQ(lines[2].line, 3u);
  EXPECT_EQ(lines[2].file, folder.path_of("a.txt"));
}

TEST(TextFile, NamesTheLineThatIsNotUtf8) {
  DatasetFolder folder;
  const std::string path = folder.write("a.txt", "fine \xC3\xA9\nlatin-1 \xE9\n");
  EXPECT_EQ(error_of([&] { read_text(path); }),
            path + ", line 2: the text is not UTF-8; save the file in that encoding");
  EXPECT_THROW(read_text(folder.write("b.txt", "cut \xC3")), UserError);
  EXPECT_THROW(read_text(folder.write("c.txt", "surrogate \xED\xA0\x80")), UserError);
}

TEST(TextFile, FoldsCaseAndComposition) {
  EXPECT_EQ(fold_case("STRASSE"), fold_case("stra\xC3\x9F"
                                            "e"));
  EXPECT_EQ(fold_case("\xC3\x89"), fold_case("e\xCC\x81"));
  EXPECT_NE(fold_case("Male"), fold_case("Mal\xC3\xA9"));
}

TEST(TextFile, ReadsWhatAPersonSees) {
  DatasetFolder folder;
  const auto read = [&](const std::string& text) { return read_text(folder.write("a.txt", text)); };
  EXPECT_EQ(read("Mixed\u00A0race\u202F\u2003x\u2028y"), "Mixed race  x y");
  EXPECT_EQ(read("Fe\u200Bma\u00ADle\u2060\uFEFF"), "Female");
  EXPECT_EQ(read("Cafe\u0301\r\n\tA\u030A"), "Caf\u00E9\r\n\t\u00C5");
  EXPECT_EQ(read("男\u3000女 👩\u200D⚕"), "男\u3000女 👩\u200D⚕");  // a joiner that shows stays
  EXPECT_EQ(error_of([&] { read("fine\nbell \a"); }),
            folder.path_of("a.txt") + ", line 2: a control character, U+0007; remove it");
}

TEST(TextFile, TrimsWhiteSpace) {
  EXPECT_EQ(trim(" \t a b \t"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\u3000 男 女\u3000"), "男 女");
  EXPECT_EQ(visible_text("a\u200D\u200Cb\u200E"), "ab");
}

}  // namespace
}  // namespace apportion
