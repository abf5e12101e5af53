// Puts the answers of many units through the model: one unit after another on each lane where all of the base
// is here, else all units of all ranks side by side, so that a block is gathered once for each depth of all
// answers.
#pragma once

#include <functional>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// One unit alone. All of the base is here.
UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts);

/// This rank's units; done(index, result) is called for each, one at a time, as it is finished. Collective
/// over `ranks`, which all of those that hold the base are members of: ranks whose units are done, or that
/// have none, go on with the gathers until all are done. Results do not depend on how the base lies.
void measure_units(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                   Collectives& ranks, const std::function<void(size_t index, UnitResult result)>& done);

}  // namespace apportion
