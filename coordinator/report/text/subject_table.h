// The part of the report with a row for each subject, from subject_view.h.
#pragma once

#include <optional>
#include <string>

#include "coordinator/report/style.h"
#include "coordinator/report/view/subject_view.h"

namespace apportion {

/// Three decimals, "-" if unknown.
std::string decimals(double value);
std::string decimals(const std::optional<double>& value);

/// One test set of a cell, at most 120 columns wide. With two categories the first one's share is a bar and a
/// number; with more, the shares are a spark and a list.
std::string render_subjects(const Style& style, const SetView& set);

}  // namespace apportion
