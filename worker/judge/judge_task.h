// A model run here as the judge of stories. Its verdict is the allowed answer to which it gives the highest
// probability, its end included (what temperature 0 amounts to among these answers).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/tokens/chat_template.h"
#include "worker/models/llama.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// The verdict on each of `stories`, the same on every rank: a category of `names`, `unparsed` if the model
/// says that the story tells none, `judge_failed` if the question exceeds its context. Among equally probable
/// answers the first counts, with "none" last. The list alone decides which stories go through the model
/// together. `told` is called with how many of this rank's stories are judged. Collective.
std::vector<int> verdicts_of(const Llama& model, const ChatTemplate& chat,
                             const std::vector<std::string>& names, const std::vector<std::string>& stories,
                             Collectives& group, const std::function<void(size_t done, size_t all)>& told);

}  // namespace apportion
