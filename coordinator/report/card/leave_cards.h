// The model cards of a results folder: a README.md next to each adapter (or full set of weights) that its
// cells have trained, and in a folder exported from these.
#pragma once

#include <string>
#include <vector>

#include "shared/store/index.h"

namespace apportion {

/// Writes a card for each training task of these cells. If several of these cells share a task, its card
/// tells of the first whose training ends there; a task that is never a cell's last gets a card only if there
/// is none yet. A README.md that apportion did not write, or that was changed, stays. A cell with an
/// unreadable result gets no card. If a card cannot be written or its model not opened, a line on standard
/// error says so and nothing more happens: the results are there.
void leave_cards(const std::string& directory, const std::vector<Cell>& cells);

/// Writes the card into `folder`, a model that `apportion export` made from what the cell trained; `cell`
/// empty: the only one. `model` is where the cell's base lies; empty: where the job had it. Errors are
/// reported as above.
void leave_card_of_export(const std::string& directory, const std::string& cell, const std::string& model,
                          const std::string& folder);

}  // namespace apportion
