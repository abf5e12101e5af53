// Where a cell's numbers come from: what each of its tasks cost, on what it ran, the files and digests, and
// the job file that makes them again.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// A row for each task and one for all: seconds, tokens, core-hours, what computed it. "-" for what its file
/// does not say.
TableView cost_table(const CellView& view);

/// A row for each task: where its result lies and what it must be equal to.
TableView digest_table(const CellView& view);

/// The keys of the last task's configuration that are not at their defaults, as a job file has them.
std::string job_file_of(const CellView& view);

/// All of its keys, in the order of the option table.
TableView configuration_table(const CellView& view);

}  // namespace apportion
