// Texts and tables in LaTeX: no character of a name has a meaning for LaTeX.
#include "coordinator/report/latex/latex_text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

using testing::HasSubstr;

TEST(LatexText, EscapesItsSigns) {
  EXPECT_EQ(latex_text("# $ % & _ { } ~ ^ \\"),
            "\\# \\$ \\% \\& \\_ \\{ \\} \\textasciitilde{} \\textasciicircum{} \\textbackslash{}");
  EXPECT_EQ(latex_text("<a|b> \"c\" 'd' `e` [f] *g"),
            "\\textless{}a\\textbar{}b\\textgreater{} \\symbol{34}c\\symbol{34} "
            "'d' "
            "\\textasciigrave{}e\\textasciigrave{} {[}f] {*}g");
  EXPECT_EQ(latex_text("a---b,,c''"), "a-{}-{}-b,{},c'{}'");
  EXPECT_EQ(latex_text("0.044 ± 0.020 · x → y"),
            "0.044 \\ensuremath{\\pm} 0.020 \\textperiodcentered{} x \\ensuremath{\\rightarrow} y");
  EXPECT_EQ(latex_text("two\nlines"), "two lines");
}

TEST(LatexText, HasLettersWithoutAFontByTheirNumber) {
  EXPECT_EQ(latex_text("Łódź é"), "Łódź é");
  EXPECT_EQ(
      latex_text("ح🧑ę\u202E"),
      "\\anyletter{1581}{062D}\\anyletter{129489}{1F9D1}\\anyletter{281}{0119}\\anyletter{65533}{FFFD}");
}

TEST(LatexText, MakesTables) {
  const std::string lengthy(60, 'x');
  TableView table{{{"name", Align::left}, {"share"}}, {{{"a & b"}, {"0.500"}}, {{"c"}, {"-"}}}};
  const std::string page = latex_page({{"50%", "Note.", table}});
  EXPECT_THAT(
      page,
      HasSubstr(
          "\n\\begin{table}\n\\centering\n\\caption{50\\%. Note.}\n\\fitted{\\begin{tabular}{lr}\n\\toprule\n"
          "name & share \\\\\n\\midrule\na \\& b & 0.500 \\\\\nc & - \\\\\n\\bottomrule\n"
          "\\end{tabular}}\n\\end{table}\n"));
  EXPECT_THAT(page, HasSubstr("\\DeclareRobustCommand{\\anyletter}[2]"));
  EXPECT_THAT(page, HasSubstr("\\DeclareRobustCommand{\\fitted}[1]"));
  table.rows.front().front().text = lengthy;
  EXPECT_THAT(latex_page({{"", "", table}}), HasSubstr("{p{6cm}r}"));
}

TEST(LatexText, BreaksTablesThatAreLongerThanAPage) {
  TableView table{{{"name", Align::left}, {"share"}}, {}};
  for (int subject = 0; subject < 15; ++subject) {
    for (int category = 0; category < 3; ++category)
      table.rows.push_back({{fmt::format("s{}", subject)}, {fmt::format("{}.{}", subject, category)}});
  }
  const std::string page = latex_page({{"Long", "Note.", table}});
  EXPECT_THAT(page, HasSubstr("s12 & 12.2 \\\\\n\\bottomrule\n")) << "39 rows, as 40 would part a subject's";
  EXPECT_THAT(page, HasSubstr("\\caption{Long (continued)}\n"));
  EXPECT_THAT(page, HasSubstr("name & share \\\\\n\\midrule\ns13 & 13.0 \\\\\n"));
  for (std::vector<TableView::Entry>& row : table.rows) row.front().text = "one";
  EXPECT_THAT(latex_page({{"", "", table}}), HasSubstr("one & 13.0 \\\\\n\\bottomrule\n"))
      << "40 rows of one";
  EXPECT_THAT(latex_page({{"Empty", "", {{{"name", Align::left}}, {}}}}),
              HasSubstr("\\midrule\n\\bottomrule"));
}

}  // namespace
}  // namespace apportion
