// Timed training steps of a synthetic shape on a group of ranks: the trainer's own step (trainer.h) on trees
// whose tokens mean nothing, with what it took of time and memory. Which shapes and layouts are measured is
// the coordinator's business, what becomes of the figures capacity/'s there.
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

/// What is measured. Steps are of stage 1.
struct StepStudy {
  ModelShape shape;
  StudyTree tree;
  int micro_batches = 1;
  int steps = 1;  // timed, after one that is not
  at::ScalarType type;
  RankDevice rank;
  LoraConfig lora;
  RanksConfig ranks;  // resident, recompute, node_sharing, timeout_s
  BaseConfig base{};
};

/// Prompts for so many micro-batches of `tree`; all ids are below `vocabulary`.
std::vector<TrainPrompt> study_prompts(const StudyTree& tree, int micro_batches, int64_t vocabulary);

/// Makes the model, its base held by the `shard_ranks`, and trains. Where its blocks are gathered anew each
/// step and all ranks have room for the whole base, the same steps are timed once more with all of it here.
/// `report` is called after every step, untimed ones too. Collective: every rank of the group. Memory is the
/// process's and this group's alone only while no other model is loaded here.
StepSample measure_steps(const StepStudy& study, Collectives& group, const std::vector<int>& shard_ranks,
                         const std::function<void(const StepReport&)>& report);

}  // namespace apportion
