// Derives the cost model's coefficients from a study's seconds: the file that `apportion plan` reads.
// shared/model/machine.h defines the coefficients.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study_view.h"
#include "shared/config/run_config.h"
#include "shared/model/machine.h"

namespace apportion {

/// The assumptions for plan_machine, with the measured peak, and with matrix_efficiency, attention_efficiency
/// and memory_efficiency times one factor: the one that minimizes the sum of squared log(predicted /
/// measured) over the rows with the base on every rank (or with resident steps, if there are any). It is a
/// single factor because a study of few shapes cannot tell products, attention and memory apart. Links and
/// memory stay as assumed.
CalibratedMachine calibrate(const std::vector<StudyRow>& rows, const RunConfig& config);

/// The file's text, in the form that parse_coefficients reads.
std::string coefficients_json(const std::vector<StudyRow>& rows, const RunConfig& config);

}  // namespace apportion
