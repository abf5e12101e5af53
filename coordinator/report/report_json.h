// The report as one JSON document with every number unrounded; null where a number means nothing.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/report_data.h"

namespace apportion {

std::string report_json(const std::string& directory, const std::vector<CellView>& cells);

}  // namespace apportion
