// Whether all that a job puts to its model fits the model's context, with the answers: said before anything
// runs, with the line at which a prompt stands that does not.
#pragma once

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"

namespace apportion {

/// Throws UserError "FILE, line N: ..." for a wording of a test set or of training, a line of a keep list or
/// a story prompt that is longer than the context with its chat turns and the longest answer that the job
/// allows. Prompts whose bytes fit are not looked at further.
void check_prompt_lengths(const RunConfig& config, const Dataset& dataset);

}  // namespace apportion
