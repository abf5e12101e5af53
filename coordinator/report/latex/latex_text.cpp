#include "coordinator/report/latex/latex_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "coordinator/report/plain_text.h"
#include "coordinator/report/style.h"

namespace apportion {
namespace {

/// Characters that LaTeX interprets or sets differently from how they look, and what sets them.
const std::map<char32_t, std::string_view>& signs() {
  static const std::map<char32_t, std::string_view> signs = {
      {'#', "\\#"},
      {'$', "\\$"},
      {'%', "\\%"},
      {'&', "\\&"},
      {'_', "\\_"},
      {'{', "\\{"},
      {'}', "\\}"},
      {'~', "\\textasciitilde{}"},
      {'^', "\\textasciicircum{}"},
      {'\\', "\\textbackslash{}"},
      {'<', "\\textless{}"},
      {'>', "\\textgreater{}"},
      {'|', "\\textbar{}"},
      {'"', "\\symbol{34}"},

      {'`', "\\textasciigrave{}"},
      // At the start of a row LaTeX would read these as part of the end of the row above.
      {'[', "{[}"},
      {'*', "{*}"},
      {0xA0, "~"},
      {0x2013, "\\textendash{}"},
      {0x2014, "\\textemdash{}"},
      {0x2018, "\\textquoteleft{}"},
      {0x2019, "\\textquoteright{}"},
      {0x201C, "\\textquotedblleft{}"},
      {0x201D, "\\textquotedblright{}"},
      {0x2026, "\\ldots{}"},
      {U'·', "\\textperiodcentered{}"},
      {U'±', "\\ensuremath{\\pm}"},
      {U'→', "\\ensuremath{\\rightarrow}"}};
  return signs;
}

/// Accented letters that the fonts of every LaTeX have (encoding OT1, ot1enc.dfu). Leaves out letters with a
/// hook below, with a stroke, or without any of the accents.
bool has_font(char32_t code) {
  static const std::set<char32_t> without = {
      0xD0,  0xD7,  0xDE,  0xF0,  0xF7,  0xFE,  0x104, 0x105, 0x110, 0x111, 0x118, 0x119, 0x122,
      0x123, 0x126, 0x127, 0x12E, 0x12F, 0x132, 0x133, 0x136, 0x137, 0x138, 0x13B, 0x13C, 0x13F,
      0x140, 0x145, 0x146, 0x149, 0x14A, 0x14B, 0x156, 0x157, 0x166, 0x167, 0x172, 0x173};
  if (code < 0x80) return true;
  return code >= 0xC0 && code <= 0x17E && !without.contains(code);
}

/// Whether LaTeX's fonts would join these two characters into one.
bool joins(char32_t before, char32_t code) {
  return before == code && (code == '-' || code == ',' || code == '\'');
}

/// A column with long texts breaks them into lines.
std::string column_type(const TableView& table, size_t column) {
  constexpr int most_columns = 48;
  if (table.columns[column].align == Align::right) return "r";
  const bool is_long = std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    return column < row.size() && columns_of(row[column].text) > most_columns;
  });
  return is_long ? "p{6cm}" : "l";
}

std::string latex_row(const std::vector<std::string>& cells) {
  std::string row;
  for (const std::string& cell : cells) row += (row.empty() && &cell == &cells.front() ? "" : " & ") + cell;
  return row + " \\\\\n";
}

/// Whether row `at` belongs to the row above: it has the same first entry, as a subject's categories do, or
/// none.
bool goes_on(const TableView& table, size_t at) {
  const std::string& first = table.rows[at].front().text;
  return at > 0 && (first.empty() || first == table.rows[at - 1].front().text);
}

/// The end of the page that begins with row `begin`. Rows that belong together stay together if a page holds
/// them.
size_t end_of_page(const TableView& table, size_t begin) {
  constexpr size_t most_rows = 40;
  const size_t end = std::min(begin + most_rows, table.rows.size());
  if (end == table.rows.size()) return end;
  size_t last = end, next = end;
  while (last > begin && goes_on(table, last)) --last;
  while (next < table.rows.size() && goes_on(table, next)) ++next;
  return last == begin || next - last > most_rows ? end : last;
}

/// The rows from `begin` to before `end`.
std::string table_of(const NotedTable& noted, size_t begin, size_t end) {
  const TableView& table = noted.table;
  std::string types;
  std::vector<std::string> headings;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    types += column_type(table, i);
    headings.push_back(latex_text(table.columns[i].heading));
  }
  const std::string caption = begin == 0 ? noted.title + ". " + noted.note : noted.title + " (continued)";
  std::string text = "\\begin{table}\n\\centering\n\\caption{" + latex_text(caption) +
                     "}\n\\fitted{\\begin{tabular}{" + types + "}\n\\toprule\n" + latex_row(headings) +
                     "\\midrule\n";
  for (size_t i = begin; i < end; ++i) {
    std::vector<std::string> cells;
    for (const TableView::Entry& entry : table.rows[i]) cells.push_back(latex_text(entry.text));
    text += latex_row(cells);
  }
  return text + "\\bottomrule\n\\end{tabular}}\n\\end{table}\n";
}

}  // namespace

std::string latex_text(std::string_view text) {
  std::string safe;
  char32_t before = 0;
  const std::string line = plain_line(text);
  for (const Letter& letter : letters_of(line)) {
    const auto sign = signs().find(letter.code);
    if (joins(before, letter.code)) safe += "{}";
    if (sign != signs().end()) {
      safe += sign->second;
    } else if (has_font(letter.code)) {
      safe += letter.bytes;
    } else {
      safe += fmt::format("\\anyletter{{{0}}}{{{0:04X}}}", static_cast<unsigned>(letter.code));
    }
    before = letter.code;
  }
  return safe;
}

std::string latex_page(const std::vector<NotedTable>& tables) {
  std::string text =
      "% Needs \\usepackage{booktabs,graphicx}. Compiles with pdflatex, xelatex and lualatex.\n"
      "\\DeclareRobustCommand{\\anyletter}[2]{\\ifdefined\\Umathcode\\symbol{#1}\\else\\texttt{U+#2}\\fi}\n"
      "% A table that is wider than the lines around it is set smaller.\n"
      "\\DeclareRobustCommand{\\fitted}[1]{\\sbox0{#1}\\ifdim\\wd0>\\linewidth"
      "\\resizebox{\\linewidth}{!}{\\usebox0}\\else\\usebox0\\fi}\n";
  for (const NotedTable& noted : tables) {
    size_t begin = 0;
    do {
      const size_t end = end_of_page(noted.table, begin);
      text += "\n" + table_of(noted, begin, end);
      begin = end;
    } while (begin < noted.table.rows.size());
  }
  return text;
}

}  // namespace apportion
