// Judge tasks: a judge reads the stories that a measure task drew. The judge by words and a server need no
// ranks: their tasks are done one after another once everything is measured. A model that runs here works on
// the workers, and its verdicts are recorded like any group's result.
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

/// What the verdicts of each of a job's judges depend on: the lexical one, and the second if there is one.
/// Reads from `input` the digests of the model and of judge_model, and the type used for measuring.
std::vector<nlohmann::json> judges_of(const RunConfig& config, const Dataset& dataset,
                                      const PlanInput& input);

/// `measured` with the judge's verdicts; asks about each text once. Calls `told` after each text with how
/// many of how many are judged.
MeasureResult judged(MeasureResult measured, Judge& judge,
                     const std::function<void(size_t done, size_t all)>& told);

/// Judges and records one task whose input is done. Throws UserError when the judge cannot judge at all; what
/// `interrupted` throws, which is called between two texts or requests and every second of a pause; and what
/// `confirm` throws before the result is written.
void run_judge_task(const Task& task, const RunConfig& config, const Dataset& dataset,
                    const Recorder& recorder, Status& status, const std::function<void()>& interrupted,
                    const Confirm& confirm);

}  // namespace apportion
