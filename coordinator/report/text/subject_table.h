// The part of the report with a row for each subject, as subject_view.h has it.
#pragma once

#include <optional>
#include <string>

#include "coordinator/report/style.h"
#include "coordinator/report/view/subject_view.h"

namespace apportion {

/// Three decimals, "-" for what is not known.
std::string decimals(double value);
std::string decimals(const std::optional<double>& value);

/// One test set of a cell, at most 120 columns wide. With two categories the first one's share is a bar and a
/// number; with more, a spark and a list.
std::string render_subjects(const Style& style, const SetView& set);

}  // namespace apportion
