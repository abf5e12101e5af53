// The tables of a cell and of a few cells beside each other: which metrics stand in which.
#pragma once

#include <vector>

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/view/subject_view.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// "0.031 to 0.071", by the metric that says how such are rounded.
TableView::Entry interval_entry(const char* metric, const std::optional<Interval>& interval);
/// "12 of 14": subjects whose rounds may be draws from their targets.
TableView::Entry passes_entry(const DatasetMetrics& metrics);

/// Whether the measure's answers are read as stories: nothing of them is exact, and they have a table of
/// their own.
bool is_of_stories(const MeasureView& measure);

/// "after, v2" or "after, v3, lexical".
std::string measure_name(const MeasureView& measure);

/// A row for each measured test set; without rows where nothing but stories was measured.
TableView means_table(const CellView& view);

/// What is left to chance, a row for each measured test set of which anything is known: intervals of the
/// means, what can be told from a perfect sampler, and how many subjects' rounds may be draws from their
/// targets.
TableView chance_table(const CellView& view);

/// A row for each judge of each set of stories; without rows where there are none.
TableView stories_table(const CellView& view);

/// A row for each cell that has a headline, of that.
TableView side_by_side_table(const std::vector<CellView>& cells);

/// A row for each training task: its last values, and sums over its steps.
TableView training_table(const CellView& view);

/// What must not change: unrelated prompts, near misses, and each kind of them.
TableView retention_table(const RetentionSummary& summary);

/// A row for each subject, of more than two categories for each of these, too: the numbers behind a plot.
TableView subject_table(const SetView& set);

}  // namespace apportion
