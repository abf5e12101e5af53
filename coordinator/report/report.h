// The final table: what a results folder says, for people or as JSON. It is built from the files alone, so
// the same text can be had again at any time.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/style.h"
#include "shared/config/run_config.h"

namespace apportion {

enum class ReportFormat { table, json, latex, markdown };

/// What of a folder is asked for.
struct ReportRequest {
  std::string cell = {};                  // this one alone, whole; empty: all
  std::vector<std::string> by = {};       // swept keys of which each combination has a row; empty: cells
  std::vector<std::string> fail_if = {};  // conditions, as gate.h reads them
  /// The file that its page, or its tables in LaTeX or Markdown, goes to in place of the table; "-": standard
  /// output; empty: none. One of the three at most.
  std::string html = {}, latex = {}, markdown = {};
  bool watch = false;  // the page is written again while runs are at work
};

struct ReportOptions {
  Style style;
  ReportFormat format = ReportFormat::table;
  ReportRequest request = {};
};

/// The page, and what is wrong with the files behind it.
struct Report {
  std::string text;
  std::vector<std::string> problems;  // a line for each file that is absent or damaged; the text has them too
  std::vector<std::string> failures;  // a line for each condition that a cell meets, or cannot be judged by
};

/// Every cell: per subject its target and its shares before and after, exact share, MAE and floor; a summary
/// of each test set; the training's last values; where the files are. Fits 120 columns. A sampled share of
/// which fewer than half of the rounds have a category, and an exact one of which more than half is
/// unexplored, is `-`. Of a sweep's cells a line each, from the files alone that the line is of. Throws
/// UserError when the directory holds no results, and for what is wrong with the request; a file that cannot
/// be read is named in the report.
Report render_report(const std::string& directory, const ReportOptions& options);

/// As it is to be printed on standard output.
Report render_report(const std::string& directory, const OutputConfig& output,
                     const ReportRequest& request = {});

/// DIR/report.html: the folder's page, as a run leaves it at its end. Where it cannot be written a line on
/// standard error says so, and that is all: the results are there.
void leave_page(const std::string& directory);

/// Prints it, or writes its page, with `watch` again and again (watched_page.h), and the failures on standard
/// error. Returns what the process is to end with: the exit code of the signal that ended watching,
/// gate_exit_code where there are failures, else 0. Without failures throws UserError, when all is
/// printed, that names what is missing in it.
int print_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request = {});

}  // namespace apportion
