// What a report says about a cell in words: its title, facts and errors, how judges agree, what must not
// change, where its files are and what to type next.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"

namespace apportion {

/// The characters that join the parts of a line, in Unicode or ASCII.
struct Marks {
  const char *dot, *arrow;
};
inline constexpr Marks unicode_marks = {" · ", " → "}, ascii_marks = {", ", " -> "};

/// "gender-us-real · target even · full".
std::string cell_title(const CellView& view, const Marks& marks);

/// Job, model, subjects, wordings and rounds. The cell must have a measure.
std::string cell_facts(const CellView& view, const Marks& marks);

/// A metric of a whole test set, rounded as the table of metrics says.
std::string set_text(const char* metric, const DatasetMetrics& metrics);

/// Exact error, MAE before and after, floor and coverage of the first test set; empty if it was not measured
/// before and after, or has no MAE.
std::string cell_errors(const CellView& view, const Marks& marks);

/// The correlation of each test set that has one; empty if none has.
std::string correlation_line(const CellView& view, const Marks& marks);

/// A line for each pair of judges of the same stories.
std::vector<std::string> agreement_lines(const CellView& view);

/// Plain text and easy questions, before and after.
std::string retention_line(const RetentionSummary& summary);

/// Why this model should not be asked anything else; empty if it may be.
std::string verdict_line(const RetentionSummary& summary);

/// A path and what it holds.
struct FileEntry {
  std::string path, what;
};
std::vector<FileEntry> files_of(const std::string& directory, const std::vector<CellView>& cells,
                                const Marks& marks);

/// Two lines of Python that read a result of the cell; empty if it has none.
std::vector<std::string> python_lines(const std::string& directory, const CellView& view);

}  // namespace apportion
