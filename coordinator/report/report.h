// The final table: what a results folder says, for people or as JSON. It is built from the files alone, so
// the same text can be had again at any time.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/style.h"
#include "shared/config/run_config.h"

namespace apportion {

enum class ReportFormat { table, json };

struct ReportOptions {
  Style style;
  ReportFormat format = ReportFormat::table;
  std::string cell = {};  // this one alone, whole; empty: all
};

/// The page, and what is wrong with the files behind it.
struct Report {
  std::string text;
  std::vector<std::string> problems;  // a line for each file that is absent or damaged; the text has them too
};

/// Every cell: per subject its target and its shares before and after, exact share, MAE and floor; a summary
/// of each test set; the training's last values; where the files are. Fits 120 columns. A sampled share of
/// which fewer than half of the rounds have a category, and an exact one of which more than half is
/// unexplored, is `-`. Of a sweep's cells a line each. Throws UserError when the directory holds no results;
/// a file that cannot be read is named in the report.
Report render_report(const std::string& directory, const ReportOptions& options);

/// As it is to be printed on standard output.
Report render_report(const std::string& directory, const OutputConfig& output, const std::string& cell = "");

/// Prints it. Throws UserError, when all is printed, that names what is missing in it.
void print_report(const std::string& directory, const OutputConfig& output, const std::string& cell = "");

}  // namespace apportion
