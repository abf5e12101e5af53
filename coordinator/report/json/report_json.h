// The report as one JSON document, numbers unrounded; null where a number has no meaning.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/pivot.h"
#include "coordinator/report/data/report_data.h"

namespace apportion {

std::string report_json(const std::string& directory, const std::vector<CellView>& cells);

/// A sweep grouped by some of its keys; `problems` has a line for each file that cannot be read.
std::string pivot_json(const std::string& directory, const Pivot& pivot,
                       const std::vector<std::string>& problems);

}  // namespace apportion
