// From a study's seconds to coefficients of the cost model: the file that `apportion plan` reads. What the
// coefficients are is shared/model/machine.h's.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study_view.h"
#include "shared/config/run_config.h"
#include "shared/model/machine.h"

namespace apportion {

/// What is assumed of plan_machine, with the measured peak, and matrix_efficiency, attention_efficiency and
/// memory_efficiency times one factor: the one that leaves the least sum of squared log(predicted / measured)
/// over the rows with the base on every rank (or with the resident steps where there are). One factor, for a
/// study of few shapes does not tell products, attention and memory apart. Links and memory stay as assumed.
CalibratedMachine calibrate(const std::vector<StudyRow>& rows, const RunConfig& config);

/// The file's text, as parse_coefficients takes it.
std::string coefficients_json(const std::vector<StudyRow>& rows, const RunConfig& config);

}  // namespace apportion
