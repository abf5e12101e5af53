// What the untouched model answers to keep prompts, drawn by our own sampler at temperature 1, once; and the
// replay rows that training makes of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/data/keep.h"
#include "worker/tasks.h"
#include "worker/train/batch.h"

namespace apportion {

/// One answer to each prompt, at most retain_tokens long, its end of turn included where it has one. Draws
/// are keyed by the prompts' texts. Collective: every rank of the group.
std::vector<std::vector<int32_t>> base_answers(const TaskContext& context, const Llama& base,
                                               const std::vector<std::string>& prompts);

/// The job's replay prompts; one of retain_text_every has an answer. The answers are read from DIR/replay
/// where they are kept, and kept there. Collective: every rank of the group.
std::vector<ReplayRow> replay_rows(const TaskContext& context, const Llama& base);

}  // namespace apportion
