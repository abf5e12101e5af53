// A stage of training on the tiny model that can be stopped after any step, as by a crash, and be begun
// again: for tests of checkpoints on one rank and on several.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/worker/tiny_world.h"
#include "worker/parallel/collectives.h"
#include "worker/train/checkpoint.h"
#include "worker/train/reference.h"

namespace apportion::testing {

enum class Stage { sft, calibrate };

struct StageRun {
  at::Tensor values;  // of the adapter at the end
  TrainLog log;
  std::vector<std::pair<TrainCheckpoint::Note, std::string>> notes;  // that this rank was told
  int64_t paused_after = -1;  // steps, where the plan asked it to stop; -1: it did not
};

inline constexpr int stage_steps = 7;
inline constexpr int to_the_end = 0;

/// Runs the stage's stage_steps steps, or `stop_after` of them: then everything is dropped before the last of
/// these can be saved. With a `reference` its log-probs are kept there. Collective: every rank of the group.
StageRun run_stage(const TinyWorld& world, Stage stage, Collectives& collectives, const CheckpointPlan& plan,
                   int stop_after, const ReferencePlace* reference = nullptr);

/// All columns but the seconds, one behind the other.
std::vector<double> comparable(const TrainLog& log);

}  // namespace apportion::testing
