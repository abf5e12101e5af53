// The largest that a job's tasks compute at a time, and how the job would lie over ranks: enough to predict
// memory and seconds. Whoever packs micro-batches works it out (worker/layout.h).
#pragma once

#include <cstdint>
#include <vector>

#include "shared/model/layout_choice.h"
#include "shared/model/memory.h"

namespace apportion {

struct JobSize {
  std::vector<StepLoad> stages;  // the largest micro-batch of each stage of the method
  int64_t prompt_tokens = 0;     // of a measured prompt
  LayoutChoice layout;
};

}  // namespace apportion
