// The batch of a scaling study: trees of equal prompts and answers whose tokens mean nothing. How many tokens
// they have, attend to and read depends only on the sizes, so that the planning side and the computing side
// agree. worker/study/step_study.h chooses the tokens.
#pragma once

#include <cstdint>

#include "shared/config/run_config.h"
#include "shared/model/memory.h"

namespace apportion {

/// One micro-batch: a beginning shared by all prompts, each prompt's own tokens, and its answers.
struct StudyTree {
  int64_t prompts = 1, branches = 1;
  int64_t shared_tokens = 32;
  int64_t own_tokens = 2;     // per prompt, at least 2: they hold its number
  int64_t answer_tokens = 8;  // the last one is read, but nothing follows it: 7 nodes

  /// Distinct tokens that go through the model.
  int64_t tokens() const { return shared_tokens + prompts * (own_tokens + branches * (answer_tokens - 1)); }
  /// Unmasked (query, key) pairs: each token and its ancestors.
  int64_t pairs() const;
  /// Rows whose log-probs are read: each prompt's last and each answer's.
  int64_t rows() const { return prompts * (1 + branches * (answer_tokens - 1)); }
  /// What a rank computes of `micro_batches` such trees, for the cost model.
  StepLoad load(int64_t micro_batches) const {
    return {tokens(), pairs() / tokens(), rows(), micro_batches, 1};
  }
};

/// The tree for scale_tokens, scale_prompts and scale_branches: the largest with equal prompts that does not
/// exceed scale_tokens. Throws UserError when that leaves a prompt fewer than 2 tokens of its own.
StudyTree study_tree(const ScaleConfig& config);

/// Micro-batches of a step on `ranks` ranks: one per rank (weak scaling), or the job's (strong).
int study_micro_batches(const RunConfig& config, Scaling scaling, int ranks);

}  // namespace apportion
