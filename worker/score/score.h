// Log-probs of given answers to given prompts: how anyone compares what is computed here with another
// program.
#pragma once

#include <functional>
#include <string>

#include "shared/config/command/command_line.h"
#include "worker/worker.h"

namespace apportion {

/// For each line of the request's file a line of JSON with the tokens' ids, how many of them are the
/// prompt's, and the log-prob of each token of the answer (natural logarithm, base and adapter together);
/// `write` gets the lines in order. Throws UserError that names the line which cannot be scored.
void score_rows(const ScoreRequest& request, const RunConfig& config, const RankPlace& place,
                const std::function<void(const std::string&)>& write);

}  // namespace apportion
