// What `apportion scale` prints: the figures of a study as a table of weak and strong scaling, and as JSON.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study_view.h"
#include "coordinator/report/style.h"

namespace apportion {

/// Files besides the results, to be named below the table.
struct StudyFiles {
  std::string coefficients, page;
};

std::string study_page(const std::vector<StudyRow>& rows, const StudyFiles& files, const Style& style);

/// All figures unrounded, including each rank's.
std::string study_json(const std::vector<StudyRow>& rows);

}  // namespace apportion
