// What the cost model expects of a study's points before they are measured: seconds of a step and bytes of a
// rank's tensors, on the machine of plan_machine and plan_coefficients. The formulas are shared/model's.
#pragma once

#include <string>
#include <vector>

#include "coordinator/capacity/study.h"
#include "coordinator/report/style.h"
#include "shared/config/run_config.h"
#include "shared/model/machine.h"
#include "shared/model/memory.h"

namespace apportion {

/// The machine of plan_machine, with the coefficients of plan_coefficients or, without a file, what is
/// assumed of it. Throws UserError and DataError.
CalibratedMachine planned_machine(const CapacityConfig& capacity);

/// What ranks of the machine compute with, whatever ranks and shards there are: type, base, panels, joined
/// blocks.
RankLayout computing_layout(const RunConfig& config, const Machine& machine, double compute_bytes);

/// How a point's base lies over its ranks: one that stays on every rank costs a step what a whole one does.
RankLayout step_layout(const StudyPoint& point, const RunConfig& config, const Machine& machine);

struct StepPrediction {
  double seconds = 0;       // of a step, on the rank with the most micro-batches
  double tensor_bytes = 0;  // most bytes of a rank's tensors at one time; 0 where gathered blocks stay or lie
                            // in shared memory, which the memory model does not know
  double process_bytes = 0;  // with what a GPU holds beside them; 0 on a CPU, and where tensor_bytes is
};
StepPrediction predict_step(const StudyPoint& point, const RunConfig& config,
                            const CalibratedMachine& machine);

/// A table's "1024", "-" where nothing is known.
std::string mebibytes_or_dash(double bytes);

/// The table of a study that is only predicted; with --json its figures in full.
std::string prediction_page(const std::vector<StudyPoint>& points, const RunConfig& config,
                            const CalibratedMachine& machine, const Style& style);

}  // namespace apportion
