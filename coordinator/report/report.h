// The final table: what a results folder says, for people or as JSON. It is built from the files alone, so
// the same text can be made again at any time.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/style.h"
#include "shared/config/run_config.h"

namespace apportion {

enum class ReportFormat { table, json, latex, markdown };

/// Which part of a folder is asked for, and in which form.
struct ReportRequest {
  std::string cell = {};                  // only this cell, in full; empty: all
  std::vector<std::string> by = {};       // swept keys: a row per combination; empty: per cell
  std::vector<std::string> fail_if = {};  // conditions in the syntax of gate.h
  /// The file for the page, or for the tables in LaTeX or Markdown, instead of the printed table; "-":
  /// standard output; empty: none. At most one of the three is set.
  std::string html = {}, latex = {}, markdown = {};
  bool watch = false;  // writes the page again and again while runs are at work
};

struct ReportOptions {
  Style style;
  ReportFormat format = ReportFormat::table;
  ReportRequest request = {};
};

/// The page, and what is wrong with the files behind it.
struct Report {
  std::string text;
  std::vector<std::string> problems;  // a line for each missing or damaged file; also in the text
  std::vector<std::string> failures;  // a line for each condition that a cell meets or that cannot be judged
};

/// For every cell: each subject's target, shares before and after, exact share, MAE and floor; a summary of
/// each test set; the training's last values; where the files are. Fits 120 columns. Prints `-` for a sampled
/// share when fewer than half of the rounds have a category, and for an exact share when more than half is
/// unexplored. A sweep has one line per cell, read only from the files that the line needs. Throws UserError
/// when the directory holds no results and for mistakes in the request; the report names each file that it
/// cannot read.
Report render_report(const std::string& directory, const ReportOptions& options);

/// The report in the form for standard output.
Report render_report(const std::string& directory, const OutputConfig& output,
                     const ReportRequest& request = {});

/// Writes DIR/report.html, the folder's page, as a run does at its end. If it cannot be written, a line on
/// standard error says so and nothing more happens: the results are there.
void leave_page(const std::string& directory);

/// Prints the report or writes its page (with `watch` again and again, watched_page.h), and prints the
/// failures on standard error. Returns the process's exit code: that of the signal that ended watching,
/// gate_exit_code if there are failures, else 0. If there are none but files are missing or damaged, throws
/// UserError, once all is printed, that names them.
int print_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request = {});

}  // namespace apportion
