#include "shared/model/study_tree.h"

#include <fmt/format.h>

#include "shared/base/error.h"

namespace apportion {

int64_t StudyTree::pairs() const {
  auto chain = [](int64_t tokens) { return tokens * (tokens + 1) / 2; };
  const int64_t path = shared_tokens + own_tokens, nodes = answer_tokens - 1;
  return chain(shared_tokens) + prompts * (chain(path) - chain(shared_tokens)) +
         prompts * branches * (chain(path + nodes) - chain(path));
}

StudyTree study_tree(const ScaleConfig& config) {
  StudyTree tree;
  tree.prompts = config.prompts;
  tree.branches = config.branches;
  constexpr int64_t least_own = 2;
  tree.own_tokens = least_own;
  if (tree.tokens() > config.tokens) {
    throw UserError(fmt::format(
        "scale_tokens = {} is too small for {} prompts with {} answers each; at least {}, or fewer "
        "scale_prompts or scale_branches",
        config.tokens, config.prompts, config.branches, tree.tokens()));
  }
  tree.own_tokens += (config.tokens - tree.tokens()) / tree.prompts;
  return tree;
}

int study_micro_batches(const RunConfig& config, Scaling scaling, int ranks) {
  return scaling == Scaling::weak ? ranks : config.batch.micro_batches;
}

}  // namespace apportion
