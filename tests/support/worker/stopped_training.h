// A training stage on the tiny model that can be stopped after any step, as if by a crash, and restarted: for
// tests of checkpoints on one rank and on several.
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
  at::Tensor values;  // the adapter's at the end
  TrainLog log;
  std::vector<std::pair<TrainCheckpoint::Note, std::string>> notes;  // given to this rank
  int64_t paused_after = -1;  // step at which the plan asked to stop; -1: it did not
};

inline constexpr int stage_steps = 7;
inline constexpr int to_the_end = 0;

/// Runs the stage's stage_steps steps, or only `stop_after` of them: then everything is dropped before the
/// last one can be saved. With a `reference`, log-probs are kept there. Collective: every rank of the group.
StageRun run_stage(const TinyWorld& world, Stage stage, Collectives& collectives, const CheckpointPlan& plan,
                   int stop_after, const ReferencePlace* reference = nullptr);

/// All columns except the seconds, one after another.
std::vector<double> comparable(const TrainLog& log);

}  // namespace apportion::testing
