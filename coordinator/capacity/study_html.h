// The page of a scaling study for a browser: charts of speed and efficiency over ranks, the table, and the
// file of each measurement.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study_view.h"

namespace apportion {

/// One HTML page that needs nothing else. `directory` holds the results.
std::string study_html(const std::vector<StudyRow>& rows, const std::string& directory);

}  // namespace apportion
