// The tables of one cell and of a few cells side by side, and which metrics each contains.
#pragma once

#include <vector>

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/view/subject_view.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// "0.031 to 0.071", rounded as `metric` says.
TableView::Entry interval_entry(const char* metric, const std::optional<Interval>& interval);
/// "12 of 14": subjects whose rounds may be draws from their targets.
TableView::Entry passes_entry(const DatasetMetrics& metrics);

/// Whether the measure's answers are read as stories: these have no exact figures, and a table of their own.
bool is_of_stories(const MeasureView& measure);

/// "after, v2" or "after, v3, lexical".
std::string measure_name(const MeasureView& measure);

/// A row for each measured test set; no rows if only stories were measured.
TableView means_table(const CellView& view);

/// What is left to chance, a row for each measured test set that has any of it: intervals of the means, what
/// can be told from a perfect sampler, and how many subjects' rounds may be draws from their targets.
TableView chance_table(const CellView& view);

/// A row for each judge of each set of stories; no rows if there are none.
TableView stories_table(const CellView& view);

/// A row for each cell that has a headline, showing that.
TableView side_by_side_table(const std::vector<CellView>& cells);

/// A row for each training task: its last values and the sums over its steps.
TableView training_table(const CellView& view);

/// What must not change: rows for unrelated prompts, near misses, and each kind of them.
TableView retention_table(const RetentionSummary& summary);

/// A row for each subject, with more than two categories for each of these, too: the numbers behind a plot.
TableView subject_table(const SetView& set);

}  // namespace apportion
