#include "coordinator/report/report.h"

#include <algorithm>
#include <cstdio>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/data/pivot.h"
#include "coordinator/report/data/report_data.h"
#include "coordinator/report/gate.h"
#include "coordinator/report/html/html_page.h"
#include "coordinator/report/json/report_json.h"
#include "coordinator/report/latex/latex_text.h"
#include "coordinator/report/markdown/markdown_text.h"
#include "coordinator/report/text/text_page.h"
#include "coordinator/report/view/paper_view.h"
#include "coordinator/report/watched_page.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"

namespace apportion {
namespace {

bool is_sweep(const std::vector<Cell>& cells) {
  return std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.about.swept.empty(); });
}

/// The page of cells in full.
std::string render_whole(const std::string& directory, const ReportOptions& options,
                         const std::vector<CellView>& cells) {
  return options.format == ReportFormat::json ? report_json(directory, cells)
                                              : text_page(directory, options.style, cells);
}

/// A table of figures: the pivot, or a line for each cell.
std::string render_figures(const std::string& directory, const ReportOptions& options,
                           const std::vector<CellFigures>& cells) {
  if (options.request.by.empty()) return text_page(directory, options.style, cells);
  const Pivot pivot = pivot_by(options.request.by, cells, directory);
  return options.format == ReportFormat::json ? pivot_json(directory, pivot, problems_of(cells))
                                              : text_page(directory, options.style, pivot, cells);
}

std::vector<GateCondition> conditions_of(const ReportRequest& request) {
  std::vector<GateCondition> conditions;
  for (const std::string& text : request.fail_if) conditions.push_back(parse_condition(text));
  return conditions;
}

bool is_paper(ReportFormat format) {
  return format == ReportFormat::latex || format == ReportFormat::markdown;
}

/// The tables of a paper or an issue.
Report render_paper(const std::string& directory, const ReportOptions& options,
                    const std::vector<GateCondition>& conditions, const std::vector<Cell>& cells) {
  const PaperView paper = make_paper_view(directory, cells, options.request.by);
  const bool latex = options.format == ReportFormat::latex;
  return {latex ? latex_page(paper.tables) : markdown_page(paper.tables), problems_of(paper.figures),
          failures_of(conditions, paper.figures)};
}

/// The page in its file; nothing is left to print.
Report write_html(const std::string& directory, const ReportRequest& request) {
  const std::vector<GateCondition> conditions = conditions_of(request);
  const std::vector<CellFigures> figures = write_page(directory, request.html, request.cell);
  return {"", problems_of(figures), failures_of(conditions, figures)};
}

/// Writes it where the request says; a text that went to a file is not printed.
Report make_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request) {
  if (!request.html.empty()) return write_html(directory, request);
  Report report = render_report(directory, output, request);
  const std::string& file = request.latex + request.markdown;
  if (file.empty() || file == "-") return report;
  write_file(file, report.text);
  report.text.clear();
  return report;
}

/// A folder in which nothing but a scaling study was done has no cells to report on.
void refuse_study(const std::string& directory) {
  const std::string page = study_page_path(directory);
  if (!path_exists(page) || !indexed_cells(directory).empty()) return;
  throw UserError(directory + " holds a scaling study: its page is " + page +
                  ", and 'apportion scale' of its job prints its table again");
}

ReportFormat format_of(const OutputConfig& output, const ReportRequest& request) {
  if (!request.latex.empty()) return ReportFormat::latex;
  if (!request.markdown.empty()) return ReportFormat::markdown;
  return output.json ? ReportFormat::json : ReportFormat::table;
}

}  // namespace

Report render_report(const std::string& directory, const ReportOptions& options) {
  const std::vector<GateCondition> conditions = conditions_of(options.request);
  std::vector<Cell> cells = read_index(directory);
  if (!options.request.cell.empty()) cells = {only_cell(cells, options.request.cell, directory)};
  if (is_paper(options.format)) return render_paper(directory, options, conditions, cells);
  const bool lines = options.format == ReportFormat::table && cells.size() > 1 && is_sweep(cells);
  if (lines || !options.request.by.empty()) {
    const std::vector<CellFigures> figures = load_figures(directory, cells);
    return {render_figures(directory, options, figures), problems_of(figures),
            failures_of(conditions, figures)};
  }
  const std::vector<CellView> views = load_cells(directory, cells);
  std::vector<CellFigures> figures;
  for (const CellView& view : views) figures.push_back(figures_of(view));
  return {render_whole(directory, options, views), problems_of(views), failures_of(conditions, figures)};
}

Report render_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request) {
  return render_report(directory, ReportOptions{detect_style(stdout), format_of(output, request), request});
}

void leave_page(const std::string& directory) {
  try {
    write_page(directory, page_path(directory));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "the page of the results was not written: %s\n", error.what());
  }
}

int print_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request) {
  conditions_of(request);  // so that a mistake in them shows before hours of watching
  refuse_study(directory);
  ReportRequest asked = request;
  if (asked.watch && asked.html.empty()) asked.html = page_path(directory);
  const int stopped = asked.watch ? watch_page(directory, asked, output.quiet) : 0;
  const Report report = make_report(directory, output, asked);
  if (stopped != 0) return stopped;
  print_output(report.text);
  for (const std::string& failure : report.failures) std::fprintf(stderr, "apportion: %s\n", failure.c_str());
  if (!report.failures.empty()) return gate_exit_code;
  throw_if_any(report.problems);
  return 0;
}

}  // namespace apportion
