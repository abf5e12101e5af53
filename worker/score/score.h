// Log-probs of given answers to given prompts, so that anyone can compare this program with another.
#pragma once

#include <functional>
#include <string>

#include "shared/config/command/command_line.h"
#include "worker/worker.h"

namespace apportion {

/// For each line of the request's file a line of JSON with the tokens' ids, how many of them are the
/// prompt's, and the log-prob of each token of the answer (natural logarithm, base and adapter together);
/// `write` gets the lines in order. Throws UserError naming a line that cannot be scored.
void score_rows(const ScoreRequest& request, const RunConfig& config, const RankPlace& place,
                const std::function<void(const std::string&)>& write);

}  // namespace apportion
