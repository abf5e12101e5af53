// Texts and tables in Markdown: nothing in a name becomes markup.
#include "coordinator/report/markdown/markdown_text.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(MarkdownText, IsNothingButText) {
  EXPECT_EQ(markdown_text("<script> & a|b"), "&lt;script&gt; &amp; a&#124;b");
  EXPECT_EQ(markdown_text("*a* _b_ `c` [d](e) ~f~ !g $h$ \\"),
            "\\*a\\* \\_b\\_ \\`c\\` \\[d\\](e) \\~f\\~ \\!g \\$h\\$ \\\\");
  EXPECT_EQ(markdown_text("@octocat #12"), "@&#8203;octocat #&#8203;12");
  EXPECT_EQ(markdown_text("https://a www.a GH-1 :b: c: d"),
            "https:&#8203;//a www&#8203;.a GH&#8203;-1 :&#8203;b: c: d");
  EXPECT_EQ(markdown_text("two\nlines"), "two lines");
  EXPECT_EQ(markdown_text("=1+1 حداد 🧑 -"), "=1+1 حداد 🧑 -");
}

TEST(MarkdownText, MakesTables) {
  TableView table{{{"name", Align::left}, {"share"}}, {{{"a|b"}, {"0.500"}}, {{"  below"}, {"-"}}}};
  EXPECT_EQ(markdown_table(table),
            "| name | share |\n| --- | ---: |\n| a&#124;b | 0.500 |\n| &emsp;below | - |\n");
  EXPECT_EQ(
      markdown_page({{"one*", "note", table}, {"two", "", table}}),
      "**one\\***\n\n" + markdown_table(table) + "\nnote\n\n**two**\n\n" + markdown_table(table) + "\n\n");
}

}  // namespace
}  // namespace apportion
