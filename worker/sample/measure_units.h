// Puts the answers of many units through the model: one unit after another on each lane where all of the base
// is here, else the units of all ranks side by side, as many as memory is meant for, so that a block is
// gathered once for each depth of all their answers.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// Whether this rank knows that the run is to stop; null: never. Asked at each depth of the answers.
using StopAsked = std::function<bool()>;

/// One unit alone. All of the base is here. Throws TaskPaused when it is to stop.
UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts,
                        TakeAnswer take = nullptr, const StopAsked& stops = nullptr);

/// How this rank's units share its memory, and who takes their answers.
struct UnitsTogether {
  double memory_bytes =
      std::numeric_limits<double>::infinity();  // units at one time add to no more than this
  /// Takes answers as they end, in the lane that their unit is in; none: they are in the units' results.
  std::function<void(size_t index, size_t prompt, GivenAnswer answer)> take = nullptr;
  StopAsked stops = nullptr;
};

/// Bytes that the largest of the units takes at most (unit_bytes).
double largest_unit_bytes(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units);

/// Units of at most `unit_bytes` that may be measured at one time; at least one.
int units_at_once(double unit_bytes, double memory_bytes);

/// This rank's units; done(index, result) is called for each, one at a time, as it is finished. Collective
/// over `ranks`, which all of those that hold the base are members of: ranks whose units are done, or that
/// have none, go on with the gathers until all are done. Results do not depend on how the base lies. Throws
/// TaskPaused when it is to stop; units at work are lost, those that are done stay.
void measure_units(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                   Collectives& ranks, const std::function<void(size_t index, UnitResult result)>& done,
                   const UnitsTogether& together = {});

}  // namespace apportion
