#include "coordinator/report/text/text_page.h"

#include <fmt/format.h>

#include "coordinator/report/text/subject_table.h"
#include "coordinator/report/view/cell_tables.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/sweep_tables.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr int page_width = 112;  // columns of rules and headings

/// The end of a text of more than `most` bytes.
std::string end_of(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t begin = text.size() - most + 3;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) ++begin;  // not inside a character
  return "..." + text.substr(begin);
}

std::string entry_text(const Style& style, const TableView::Column& column, const TableView::Entry& entry) {
  if (entry.is_aside) return entry.text.empty() ? "" : painted(style, Paint::dim, entry.text);
  if (column.by_end) return end_of(printable(style, entry.text), static_cast<size_t>(column.width));
  return printable(style, entry.text, column.width);
}

class TextPage {
 public:
  TextPage(const std::string& directory, const Style& style)
      : directory_(directory),
        style_(style),
        marks_(style.charset == Charset::unicode ? unicode_marks : ascii_marks) {}

  std::string render(const std::vector<CellView>& cells) {
    for (const CellView& view : cells) cell(view);
    if (cells.size() > 1) {
      heading("side by side");
      table(side_by_side_table(cells));
      line();
    }
    legend();
    files(cells);
    heading("next");
    commands();
    if (!cells.empty()) {
      for (const std::string& text : python_lines(directory_, cells.front())) line("  " + shown(text));
    }
    return text_;
  }

  std::string render(const std::vector<CellFigures>& cells) {
    heading(fmt::format("{} cells", cells.size()));
    table(sweep_table(cells));
    problems(problems_of(cells));
    line();
    figures_legend();
    heading("next");
    line(fmt::format("  apportion report {} --cell '{}'", shown(directory_), shown(cells.front().name)));
    line(fmt::format("  apportion report {} --by {}", shown(directory_), shown(swept_keys(cells).front())));
    commands();
    return text_;
  }

  std::string render(const Pivot& pivot, const std::vector<CellFigures>& cells) {
    heading("by " + shown(join(pivot.keys, ", ")));
    table(pivot_table(pivot));
    if (const std::string left_out = left_out_line(pivot); !left_out.empty()) line("  " + shown(left_out));
    if (const std::string missing = missing_line(pivot); !missing.empty())
      problem(printable(style_, missing, static_cast<int>(missing.find(": ")) + 102));
    problems(problems_of(cells));
    line();
    line(dim("  means over everything else that was swept; lowest..highest below them."));
    figures_legend();
    return text_;
  }

 private:
  void figures_legend() {
    legend();
    line(
        dim("  leak added, KL/token and perplexity: what training did to other questions and a plain text "
            "(docs/retention.md)."));
    line();
  }

  std::string dim(const std::string& text) const { return painted(style_, Paint::dim, text); }
  std::string shown(const std::string& text) const { return printable(style_, text); }
  void line(const std::string& text = "") { text_ += text + "\n"; }
  void table(const TableView& view) { text_ += render_table(style_, view); }
  void problem(const std::string& text) { line("  " + painted(style_, Paint::red, "! ") + text); }

  void problems(const std::vector<std::string>& found) {
    for (const std::string& text : found) problem(shown(text));
  }

  void heading(const std::string& title) {
    const bool unicode = style_.charset == Charset::unicode;
    const std::string start = unicode ? "━━ " : "== ";
    std::string rule;
    for (int i = columns_of(start + title) + 1; i < page_width; ++i) rule += unicode ? "━" : "=";
    line(dim(start) + painted(style_, Paint::bold, title) + " " + dim(rule));
  }

  void cell(const CellView& view) {
    heading(shown(cell_title(view, marks_)));
    if (!view.measures.empty()) {
      line("  " + dim(shown(cell_facts(view, marks_))));
      if (const std::string errors = cell_errors(view, marks_); !errors.empty()) line("  " + errors);
      const std::string& test_set = view.measures.front().test_set;
      line();
      text_ += render_subjects(
          style_, compare_subjects(view.measure("before", test_set), view.measure("after", test_set)));
      line();
      summary(view);
    }
    if (view.retention) retention(summary_of(view.retention->result));
    if (!view.training.empty()) {
      line();
      table(training_table(view));
    }
    problems(view.problems);
    line();
  }

  void summary(const CellView& view) {
    if (const TableView means = means_table(view); !means.rows.empty()) table(means);
    if (const std::string text = correlation_line(view, marks_); !text.empty()) line("  " + shown(text));
    if (const TableView stories = stories_table(view); !stories.rows.empty()) {
      table(stories);
      for (const std::string& text : agreement_lines(view)) line("  " + shown(text));
    }
    if (const TableView chance = chance_table(view); !chance.rows.empty()) {
      line();
      table(chance);
    }
  }

  void retention(const RetentionSummary& summary) {
    line();
    if (const std::string text = verdict_line(summary); !text.empty())
      line("  " + painted(style_, Paint::red, "! " + text));
    table(retention_table(summary));
    line("  " + retention_line(summary));
  }

  void legend() {
    line(
        dim("  exact error: mean |share - target| of the model's own probabilities, without sampling noise, "
            "over all"));
    line(
        dim("  wordings together; one wording: of each alone. MAE: of the sampled rounds; floor: a perfect "
            "sampler's;"));
    line(
        dim("  expected: this model's. coverage: mass on the steering tokens, or paths; agree: of the rounds "
            "that "
            "begin"));
    line(dim(
        "  with a steering token, those whose text says its category. -: too little parsed or explored to "
        "say."));
    line(
        dim("  chance: 95% intervals of means over subjects like these, not over seeds or machines; "
            "detectable: the MAE"));
    line(
        dim("  that a perfect sampler exceeds about 5 times in 100; pass: subjects whose rounds may be draws "
            "from the target."));
    line();
  }

  void files(const std::vector<CellView>& cells) {
    heading("files");
    for (const FileEntry& file : files_of(directory_, cells, marks_))
      line("  " + left(shown(file.path), 60) + "  " + dim(shown(file.what)));
    line();
  }

  void commands() {
    line("  apportion report " + shown(directory_) + " --json");
    line("  apportion export " + shown(directory_) + " --csv shares.csv");
  }

  const std::string directory_;
  const Style style_;
  const Marks marks_;
  std::string text_;
};

}  // namespace

std::string render_table(const Style& style, const TableView& view) {
  constexpr int heading_width = 20;
  std::vector<Table::Column> columns;
  for (const TableView::Column& column : view.columns)
    columns.push_back({printable(style, column.heading, heading_width), column.align});
  Table table(columns);
  for (const std::vector<TableView::Entry>& entries : view.rows) {
    std::vector<std::string> row;
    for (size_t i = 0; i < entries.size(); ++i) row.push_back(entry_text(style, view.columns[i], entries[i]));
    table.add_row(std::move(row));
  }
  return table.render(style, 2);
}

std::string text_page(const std::string& directory, const Style& style, const std::vector<CellView>& cells) {
  return TextPage(directory, style).render(cells);
}

std::string text_page(const std::string& directory, const Style& style,
                      const std::vector<CellFigures>& cells) {
  return TextPage(directory, style).render(cells);
}

std::string text_page(const std::string& directory, const Style& style, const Pivot& pivot,
                      const std::vector<CellFigures>& cells) {
  return TextPage(directory, style).render(pivot, cells);
}

}  // namespace apportion
