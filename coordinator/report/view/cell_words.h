// What a report says of a cell in words: its title, facts and errors, what judges agree on, what must not
// change, where its files are and what to type next.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"

namespace apportion {

/// How parts of a line are joined, which depends on the characters that there are.
struct Marks {
  const char *dot, *arrow;
};
inline constexpr Marks unicode_marks = {" · ", " → "}, ascii_marks = {", ", " -> "};

/// "gender-us-real · target even · full".
std::string cell_title(const CellView& view, const Marks& marks);

/// Job, model, subjects, wordings and rounds; of a cell with a measure.
std::string cell_facts(const CellView& view, const Marks& marks);

/// Exact error, MAE before and after, floor and coverage of the first test set; empty where it was not
/// measured before and after, or has no MAE.
/// A metric of a whole test set, as the table of metrics rounds it.
std::string set_text(const char* metric, const DatasetMetrics& metrics);

std::string cell_errors(const CellView& view, const Marks& marks);

/// Of each test set that has one; empty where none has.
std::string correlation_line(const CellView& view, const Marks& marks);

/// A line for each two judges of the same stories.
std::vector<std::string> agreement_lines(const CellView& view);

/// Plain text and easy questions, before and after.
std::string retention_line(const RetentionSummary& summary);

/// Why such a model is none to ask anything else; empty where it is.
std::string verdict_line(const RetentionSummary& summary);

/// Where something lies, and what it is.
struct FileEntry {
  std::string path, what;
};
std::vector<FileEntry> files_of(const std::string& directory, const std::vector<CellView>& cells,
                                const Marks& marks);

/// Two lines of Python that read a result of the cell; empty where it has none.
std::vector<std::string> python_lines(const std::string& directory, const CellView& view);

}  // namespace apportion
