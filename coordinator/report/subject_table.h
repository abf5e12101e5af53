// The part of the report with a row per subject: its target, its shares before and after, and how far off
// they are.
#pragma once

#include <optional>
#include <string>

#include "coordinator/report/report_data.h"
#include "coordinator/report/style.h"

namespace apportion {

/// Three decimals, "-" for what is not known.
std::string decimals(double value);
std::string decimals(const std::optional<double>& value);

/// One test set of a cell, at most 120 columns wide. With two categories the first one's share is a bar and a
/// number; with more, a spark and a list. `before` or `after` may be nullptr, not both.
std::string render_subjects(const Style& style, const MeasureView* before, const MeasureView* after);

}  // namespace apportion
