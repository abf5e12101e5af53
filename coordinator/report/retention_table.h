// What training changed elsewhere, as a table of a report.
#pragma once

#include <string>

#include "coordinator/report/style.h"
#include "shared/measure/retention.h"

namespace apportion {

/// Lines that end with a line feed; the verdict in words first, where there is one.
std::string render_retention(const Style& style, const RetentionResult& result);

}  // namespace apportion
