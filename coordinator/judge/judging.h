// Judge tasks: the stories that a measure task drew, read by a judge. Those of words and of a server need no
// rank: they are done one after another when all that is measured is there. A model that is run here is the
// workers' business; what it tells is recorded as any group's result.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/judge/judge.h"
#include "coordinator/plan.h"
#include "coordinator/recorder.h"
#include "coordinator/status.h"
#include "shared/base/file_system.h"
#include "shared/config/run_config.h"
#include "shared/config/task.h"
#include "shared/data/dataset.h"
#include "shared/measure/histogram.h"

namespace apportion {

/// The judges of a job by what their verdicts depend on: the lexical one, and the second where there is one.
/// Of `input` the digests of the model and of judge_model and the type that is measured in are read.
std::vector<nlohmann::json> judges_of(const RunConfig& config, const Dataset& dataset,
                                      const PlanInput& input);

/// `measured` with the judge's verdicts, each text asked about once. `told` is called after each text with
/// how many of how many are judged.
MeasureResult judged(MeasureResult measured, Judge& judge,
                     const std::function<void(size_t done, size_t all)>& told);

/// Judges and records one task whose input is done. Throws UserError when the judge cannot judge at all, what
/// `interrupted` throws between two texts or requests and in pauses each second, and what `confirm` throws
/// before the result is written.
void run_judge_task(const Task& task, const RunConfig& config, const Dataset& dataset,
                    const Recorder& recorder, Status& status, const std::function<void()>& interrupted,
                    const Confirm& confirm);

}  // namespace apportion
