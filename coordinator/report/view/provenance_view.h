// Where a cell's numbers come from: what each task cost and where it ran, the files and digests, and the job
// file that reproduces them.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// A row for each task and one for all: seconds, tokens, core-hours, what computed it; "-" if its file does
/// not say.
TableView cost_table(const CellView& view);

/// A row for each task: where its result lies and the digest of what it trained.
TableView digest_table(const CellView& view);

/// The keys of the last task's configuration that differ from their defaults, in the form of a job file.
std::string job_file_of(const CellView& view);

/// All keys of that configuration, in the order of the option table.
TableView configuration_table(const CellView& view);

}  // namespace apportion
