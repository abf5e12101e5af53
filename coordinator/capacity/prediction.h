// What the cost model expects for a study's points before they are measured: seconds per step and bytes of a
// rank's tensors, on the machine of plan_machine and plan_coefficients. shared/model has the formulas.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study.h"
#include "coordinator/report/style.h"
#include "shared/config/run_config.h"
#include "shared/model/machine.h"
#include "shared/model/memory.h"

namespace apportion {

/// The machine of plan_machine, with the coefficients from plan_coefficients or, without a file, the assumed
/// ones. Throws UserError and DataError.
CalibratedMachine planned_machine(const CapacityConfig& capacity);

/// How ranks of the machine compute, for any number of ranks and shards: type, base, panels, joined blocks.
RankLayout computing_layout(const RunConfig& config, const Machine& machine, double compute_bytes);

/// How a point's base is spread over its ranks; a base that stays on every rank costs a step as much as an
/// unsharded one.
RankLayout step_layout(const StudyPoint& point, const RunConfig& config, const Machine& machine);

struct StepPrediction {
  double seconds = 0;        // per step, on the rank with the most micro-batches
  double tensor_bytes = 0;   // peak bytes of a rank's tensors; 0 if gathered blocks stay or are in shared
                             // memory, which the memory model does not know
  double process_bytes = 0;  // with what a GPU holds besides them; 0 on a CPU and where tensor_bytes is 0
};
StepPrediction predict_step(const StudyPoint& point, const RunConfig& config,
                            const CalibratedMachine& machine);

/// For a table: "1024", or "-" if unknown.
std::string mebibytes_or_dash(double bytes);

/// The table of a study that is only predicted; with --json its figures unrounded.
std::string prediction_page(const std::vector<StudyPoint>& points, const RunConfig& config,
                            const CalibratedMachine& machine, const Style& style);

}  // namespace apportion
