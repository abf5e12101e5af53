// What a job's tasks compute at a time, of the largest that were looked at, and how it would lie over ranks:
// enough to foretell memory and seconds. Whoever packs micro-batches says it (worker/layout.h).
#pragma once

#include <cstdint>
#include <vector>

#include "shared/model/layout_choice.h"
#include "shared/model/memory.h"

namespace apportion {

struct JobSize {
  std::vector<StepLoad> stages;  // the largest micro-batch of each stage of the method
  int64_t prompt_tokens = 0;     // of a prompt that is measured
  LayoutChoice layout;
};

}  // namespace apportion
