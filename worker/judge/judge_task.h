// A model that is run here as the judge of stories: of the answers that it is allowed, the one that it gives
// with the highest probability, its end included (what temperature 0 comes to among these).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/tokens/chat_template.h"
#include "worker/models/llama.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// The verdict on each of `stories`, the same on every rank: a category of `names`, `unparsed` where the
/// model says that the story tells none, `judge_failed` where the question is longer than its context. Of
/// equally probable answers the first counts, "none" last. Which stories go through the model together is a
/// function of the list alone. `told` is called with how many of this rank's are judged. Collective.
std::vector<int> verdicts_of(const Llama& model, const ChatTemplate& chat,
                             const std::vector<std::string>& names, const std::vector<std::string>& stories,
                             Collectives& group, const std::function<void(size_t done, size_t all)>& told);

}  // namespace apportion
