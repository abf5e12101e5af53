#include "coordinator/capacity/study_html.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "coordinator/report/html/html_table.h"
#include "coordinator/report/html/line_chart.h"
#include "coordinator/report/html/page_frame.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

using Points = std::vector<std::pair<double, double>>;

/// Doubling the ranks is a step of the axis, however many they are.
double place_of(double ranks) { return std::log2(ranks); }

Points placed(const Points& points) {
  Points places;
  for (const auto& [ranks, value] : points) places.emplace_back(place_of(ranks), value);
  return places;
}

/// "350m, shards 1: 1000 on 1, 1818 on 2 ranks;"
std::string words_of(const StudyLine& line, const Points& points, const char* format) {
  std::string words = line.name + ":";
  for (const auto& [ranks, value] : points)
    words += " " + fmt::format(fmt::runtime(format), value) + fmt::format(" on {:.0f},", ranks);
  words.back() = ' ';
  return words + "ranks;";
}

/// A chart without lines; its ticks are the numbers of ranks.
Chart ranks_chart(const std::string& title, const std::vector<StudyLine>& lines) {
  Chart chart;
  chart.title = title;
  chart.words = title + ", by ranks.";
  std::set<double> ranks;
  for (const StudyLine& line : lines) {
    for (const auto& point : line.efficiency) ranks.insert(point.first);
  }
  for (const double number : ranks) chart.ticks.emplace_back(place_of(number), fmt::format("{:.0f}", number));
  chart.x_margin = ranks.size() > 1 ? 0.1 : 0.5;
  return chart;
}

void write_charts(Markup& out, const std::vector<StudyRow>& rows, Scaling scaling) {
  const std::vector<StudyLine> lines = study_lines(rows, scaling);
  const std::string of = std::string(scaling_name(scaling)) + " scaling";
  Chart speed = ranks_chart("Tokens per second, " + of + "; points: expected by the cost model", lines),
        efficiency = ranks_chart("Tokens per second per rank, relative to the first, " + of, lines);
  speed.is_logarithmic = true;
  efficiency.from_zero = true;
  efficiency.best = 1;
  for (size_t i = 0; i < lines.size(); ++i) {
    const StudyLine& line = lines[i];
    const size_t color = i % 8;
    speed.lines.push_back({line.name, placed(line.tokens_per_second), false, color});
    speed.lines.push_back({"", placed(line.expected), true, color});
    speed.words += " " + words_of(line, line.tokens_per_second, "{:.4g}");
    efficiency.lines.push_back({line.name, placed(line.efficiency), false, color});
    efficiency.words += " " + words_of(line, line.efficiency, "{:.3f}");
  }
  write_chart(out, speed);
  write_chart(out, efficiency);
}

/// Which file each measurement is in; weak and strong scaling may share one.
TableView file_table(const std::vector<StudyRow>& rows) {
  TableView table{{{"measured", Align::left}, {"file", Align::left}}, {}};
  std::set<std::string> known;
  for (const StudyRow& row : rows) {
    const Task& task = row.point.task;
    if (known.insert(task.id).second) table.rows.push_back({{task.label}, {result_path(".", task.id)}});
  }
  return table;
}

void write_footer(Markup& out, const TableView& table, const std::string& directory) {
  std::vector<std::pair<std::string, std::string>> terms;
  for (const TableView::Column& column : table.columns) {
    if (!column.meaning.empty()) terms.emplace_back(column.heading, column.meaning + ".");
  }
  out.open("footer");
  write_terms(out, "What the columns mean", terms);
  out.element("p", {{"class", "soft"}},
              "Seconds depend on the machine and on what else ran on it: two studies differ by more than the "
              "steps within one.");
  open_origin(out, directory);
  out.element("code", {}, "apportion scale")
      .text(
          " of the same job with --json prints each rank's figures in full; coefficients.json has those "
          "that ")
      .element("code", {}, "apportion plan")
      .text(" takes.")
      .close()
      .close();
}

}  // namespace

std::string study_html(const std::vector<StudyRow>& rows, const std::string& directory) {
  const TableView table = study_table(rows);
  Markup out;
  open_page(out, "Scaling study");
  out.open("header").element("h1", {}, "Scaling study");
  write_lead(out, study_asked(rows), study_outcome(rows));
  out.close().open("main");
  out.open("div", {{"class", "wide charts"}});
  std::set<Scaling> done;
  for (const StudyRow& row : rows) {
    if (done.insert(row.point.scaling).second) write_charts(out, rows, row.point.scaling);
  }
  out.close();
  out.element("h2", {}, "Measurements");
  write_table(out, table, "Measurements");
  out.open("details").open("summary").text("Files").close();
  write_table(out, file_table(rows), "Files");
  out.close().close();
  write_footer(out, table, directory);
  close_page(out);
  return out.finished() + "\n";
}

}  // namespace apportion
