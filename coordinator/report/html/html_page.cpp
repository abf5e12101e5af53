#include "coordinator/report/html/html_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "coordinator/report/csv/cells_csv.h"
#include "coordinator/report/html/cell_section.h"
#include "coordinator/report/html/html_table.h"
#include "coordinator/report/html/line_chart.h"
#include "coordinator/report/html/page_frame.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/page_words.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"

namespace apportion {
namespace {

std::string csv_path(const std::string& file) {
  return std::filesystem::path(file).replace_extension(".csv").string();
}

void write_missing(Markup& out, const PageView& page) {
  if (page.missing.empty() && !page.outcome.empty()) return;
  out.open("section", {{"class", "warn"}, {"aria-label", "What is missing"}});
  if (page.outcome.empty())
    out.element("p", {}, "There is no result here yet. A cell appears on this page when its tasks are done.");
  if (!page.missing.empty()) {
    out.element("p", {}, "Something is missing:").open("ul");
    constexpr size_t most = 50;
    for (size_t i = 0; i < page.missing.size() && i < most; ++i) out.open("li").name(page.missing[i]).close();
    if (page.missing.size() > most)
      out.element("li", {}, fmt::format("and {} more", page.missing.size() - most));
    out.close();
  }
  out.close();
}

void write_tile(Markup& out, const std::string& number, const std::string& words) {
  out.open("div", {{"class", "tile"}}).element("b", {}, number).element("span", {}, words).close();
}

/// The key figures of a page with one cell.
void write_tiles(Markup& out, const CellFigures& cell) {
  if (!cell.exact_error && !cell.mae && !cell.kl) return;  // a floor alone says nothing
  out.open("div", {{"class", "tiles"}});
  for (const FigureColumn& column : figure_columns()) {
    if (const std::optional<double>& value = cell.*column.value)
      write_tile(out, metric_text(column.metric, value), column.metric.heading);
  }
  out.close();
}

/// Values that are not numbers stand side by side; a mean is a short line among its cells.
void add_levels(const SweptLine& line, size_t color, Chart& chart) {
  constexpr double half = 0.2;
  for (const auto& [x, mean] : line.means)
    chart.lines.push_back({"", {{x - half, mean}, {x + half, mean}}, false, color});
}

/// The means of a line; if there are many, the first and the last.
std::string words_of(const SweptLine& line, const SweepPlot& plot) {
  constexpr size_t most = 24;
  std::string words = line.name;
  for (size_t i = 0; i < line.means.size(); ++i) {
    if (line.means.size() > most && i > 0 && i + 1 < line.means.size()) continue;
    const auto [x, mean] = line.means[i];
    const auto value = std::find_if(plot.values.begin(), plot.values.end(),
                                    [x = x](const auto& one) { return one.first == x; });
    words += fmt::format(" {:.3f} at {},", mean, value->second);
  }
  words.back() = ';';
  return words;
}

Chart chart_of(const SweepPlot& plot) {
  Chart chart;
  chart.title = "Error by " + plot.key;
  chart.words = chart.title + ", means:";
  chart.from_zero = true;
  constexpr size_t most_ticks = 12;
  if (plot.values.size() <= most_ticks) chart.ticks = plot.values;
  if (plot.is_numeric || plot.values.size() > most_ticks) chart.x_name = plot.key;
  if (!plot.is_numeric) chart.x_margin = 0.5;
  for (size_t i = 0; i < plot.lines.size(); ++i) {
    const SweptLine& line = plot.lines[i];
    const size_t color = i % 8;
    const std::string name = plot.lines.size() > 1 ? line.name : "";
    if (plot.is_numeric) chart.lines.push_back({name, line.means, false, color});
    if (!plot.is_numeric) add_levels(line, color, chart);
    chart.lines.push_back({plot.is_numeric ? "" : name, line.points, true, color});
    chart.words += " " + words_of(line, plot);
  }
  return chart;
}

/// Training's price against its gain: a point for each cell that has both.
void write_trade(Markup& out, const PageView& page) {
  Chart chart;
  chart.x_name = "exact error";
  chart.title = "Leak added, by exact error";
  chart.from_zero = true;
  ChartLine line{"", {}, true, 0};
  for (const CellFigures& cell : page.figures) {
    if (cell.exact_error && cell.leak) line.points.emplace_back(*cell.exact_error, *cell.leak);
  }
  constexpr size_t least = 2, most = 2000;
  if (line.points.size() < least || line.points.size() > most) return;
  chart.words = fmt::format("{}: {} cells, a point each", chart.title, line.points.size());
  chart.lines.push_back(std::move(line));
  write_chart(out, chart);
}

void write_tables(Markup& out, const PageView& page) {
  for (const NotedTable& noted : page.tables) {
    const bool first = &noted == &page.tables.front();
    if (!first) out.open("details").open("summary").name(noted.title).close();
    if (first) out.element("h2", {{"id", "cells"}}, noted.title);
    if (!noted.note.empty()) out.open("p", {{"class", "soft"}}).name(noted.note).close();
    write_table(out, noted.table, noted.title);
    if (!first) out.close();
  }
}

void write_cells(Markup& out, const PageView& page) {
  constexpr size_t most_open = 3;
  const bool open = page.whole.size() <= most_open;
  if (page.leaves_cells_out)
    out.element("h2", {}, fmt::format("The {} cells that are furthest off", page.whole.size()));
  for (const CellView& view : page.whole) {
    if (page.figures.size() == 1) {
      write_cell(out, view);
      continue;
    }
    if (open) {
      out.open("details", {{"class", "cell"}, {"open", ""}});
    } else {
      out.open("details", {{"class", "cell"}});
    }
    out.open("summary").open("h2").name(view.cell.name).close().close();
    out.open("p").name(outcome_of(view)).close();
    write_cell(out, view);
    out.close();
  }
}

using Terms = std::vector<std::pair<std::string, std::string>>;

template <typename Metric>
void add_terms(const std::vector<Metric>& metrics, Terms& terms) {
  for (const Metric& metric : metrics) {
    const std::string hidden = metric.hidden;
    terms.emplace_back(metric.heading,
                       std::string(metric.meaning) + (hidden.empty() ? "." : ". A - where " + hidden + "."));
  }
}

void write_footer(Markup& out, const PageView& page) {
  Terms terms;
  add_terms(measured_metrics(), terms);
  add_terms(training_metrics(), terms);
  add_terms(retention_metrics(), terms);
  out.open("footer");
  write_terms(out, "What the words mean", terms);
  out.element("p", {{"class", "soft"}},
              "Intervals cover only the chance of the rounds: another seed or another kind of machine "
              "differs by more.");
  open_origin(out, page.directory);
  out.element("code", {}, "apportion report " + page.directory + " --json")
      .text(" has every number of it in full, ")
      .element("code", {}, "apportion export " + page.directory + " --csv shares.csv")
      .text(" every share.")
      .close()
      .close();
}

}  // namespace

std::string html_page(const PageView& page) {
  Markup out;
  open_page(out, page.title, page.refresh_s);
  out.open("header").open("h1").name(page.title).close();
  if (!page.outcome.empty()) write_lead(out, page.asked, page.outcome);
  out.close().open("main");
  write_missing(out, page);
  if (page.figures.size() == 1) write_tiles(out, page.figures.front());
  write_tables(out, page);
  out.open("div", {{"class", "wide charts"}});
  for (const SweepPlot& plot : page.plots) write_chart(out, chart_of(plot));
  write_trade(out, page);
  out.close();
  write_cells(out, page);
  out.close();
  write_footer(out, page);
  close_page(out);
  return out.finished() + "\n";
}

std::vector<CellFigures> write_page(const std::string& directory, const std::string& file,
                                    const std::string& cell, int refresh_s) {
  PageView page = make_page_view(directory, cell);
  page.refresh_s = refresh_s;
  const bool to_file = file != "-";
  if (page.leaves_cells_out && to_file) {
    write_file(csv_path(file), cells_csv(page.figures));
    page.tables.front().note +=
        " All cells are in " + std::filesystem::path(csv_path(file)).filename().string() + ".";
  }
  if (to_file) {
    write_file(file, html_page(page));
  } else {
    print_output(html_page(page));
  }
  return page.figures;
}

std::string page_path(const std::string& directory) { return directory + "/report.html"; }

std::string study_page_path(const std::string& directory) { return directory + "/scaling.html"; }

}  // namespace apportion
