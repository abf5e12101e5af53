// Puts the answers of many units through the model: one unit after another on each lane if all of the base is
// here, else the units of all ranks side by side, as many as memory allows, so that a block is gathered once
// for each depth of all their answers.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// Whether this rank knows that the run is to stop; null: never. Called at each depth of the answers.
using StopAsked = std::function<bool()>;

/// Measures one unit alone; all of the base must be here. Throws TaskPaused when asked to stop.
UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts,
                        TakeAnswer take = nullptr, const StopAsked& stops = nullptr);

/// How this rank's units share memory, and who takes their answers.
struct UnitsTogether {
  double memory_bytes = std::numeric_limits<double>::infinity();  // limit for all units at work together
  /// Takes answers as they end, in their unit's lane; null: the units' results hold them.
  std::function<void(size_t index, size_t prompt, GivenAnswer answer)> take = nullptr;
  StopAsked stops = nullptr;
};

/// The most bytes that the largest unit takes (unit_bytes).
double largest_unit_bytes(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units);

/// How many units of at most `unit_bytes` may be measured at a time; at least one.
int units_at_once(double unit_bytes, double memory_bytes);

/// Measures this rank's units; calls done(index, result) for each, one at a time, when it is finished.
/// Collective over `ranks`, which must include all ranks that hold the base: those without units, or whose
/// units are done, keep taking part in gathers until all are done. Results do not depend on how the base is
/// laid out. Throws TaskPaused when asked to stop; units in progress are lost, finished ones stay.
void measure_units(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                   Collectives& ranks, const std::function<void(size_t index, UnitResult result)>& done,
                   const UnitsTogether& together = {});

}  // namespace apportion
