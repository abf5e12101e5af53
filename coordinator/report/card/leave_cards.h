// The cards of a results folder: README.md beside each adapter, or all weights, that its cells have trained,
// and in a folder that was made of these.
#pragma once

#include <string>
#include <vector>

#include "shared/store/index.h"

namespace apportion {

/// For each task that trained for one of these cells. Of a task that several of these cells share the first
/// tells that goes no further in training; one from which training only goes on has a card where there is
/// none yet. A README.md that is not apportion's own, or was changed, stays. A cell of which a result cannot
/// be read gets none. Where one cannot be written, or its model not be opened, a line on standard error says
/// so, and that is all: the results are there.
void leave_cards(const std::string& directory, const std::vector<Cell>& cells);

/// In `folder`, a model that `apportion export` has made of what the cell trained; `cell` empty: the only
/// one. `model` is where the cell's base lies; empty: where the job had it. What goes wrong is said as above.
void leave_card_of_export(const std::string& directory, const std::string& cell, const std::string& model,
                          const std::string& folder);

}  // namespace apportion
