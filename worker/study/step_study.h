// Timed training steps of a synthetic shape on a group of ranks: the trainer's own step (trainer.h) on trees
// with meaningless tokens, with the time and memory that it took. The coordinator chooses shapes and layouts,
// and its capacity/ uses the figures.
#pragma once

#include <functional>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/link/message.h"
#include "shared/model/study_tree.h"
#include "worker/parallel/collectives.h"
#include "worker/session.h"
#include "worker/train/trainer.h"

namespace apportion {

/// What to measure. Steps are of stage 1.
struct StepStudy {
  ModelShape shape;
  StudyTree tree;
  int micro_batches = 1;
  int steps = 1;  // timed, after an untimed one
  at::ScalarType type;
  RankDevice rank;
  LoraConfig lora;
  RanksConfig ranks;  // resident, recompute, node_sharing, timeout_s
  BaseConfig base{};
};

/// Prompts for `micro_batches` micro-batches of `tree`; all ids are below `vocabulary`.
std::vector<TrainPrompt> study_prompts(const StudyTree& tree, int micro_batches, int64_t vocabulary);

/// Makes the model, its base held by the `shard_ranks`, and trains. If its blocks are gathered again each
/// step and all ranks have room for the whole base, times the same steps again with all of it here. `report`
/// is called after every step, even untimed ones. Collective: every rank of the group. The figures of memory
/// are this group's alone only while no other model is loaded in the process.
StepSample measure_steps(const StepStudy& study, Collectives& group, const std::vector<int>& shard_ranks,
                         const std::function<void(const StepReport&)>& report);

}  // namespace apportion
