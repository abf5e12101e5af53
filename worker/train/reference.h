// The reference's log-probs as an artefact: computed once, kept in a folder of the results, and read by later
// tasks that compare with the same model on the same batches (another beta or rate, or the same task
// restarted). The files have the format of a checkpoint (shared/store/checkpoint.h), so any number of ranks
// can read what any number wrote, and damaged data is never used.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/train/checkpoint.h"

namespace apportion {

/// Log-probs of a batch's edges under the frozen reference, by batch; one tensor [E] float32 for each of this
/// rank's micro-batches, undefined for an empty one.
using Reference = std::map<int, std::vector<at::Tensor>>;

/// `identity` names everything that the log-probs depend on: weights, adapter, prompts, how they are packed.
struct ReferencePlace {
  std::string folder, identity;
  bool fresh = false;  // ignore what is kept there
};

class ReferenceStore {
 public:
  /// For steps whose batches are cut into `micro_batches`. `say`: as in TrainCheckpoint.
  ReferenceStore(ReferencePlace place, int micro_batches, Collectives& collectives, TrainCheckpoint::Say say);

  /// What is kept for the first of `batches` (in the order of their first use), possibly nothing. Skips
  /// damaged data with a warning; throws UserError for data of another identity. Collective.
  Reference load(const std::vector<int>& batches);

  /// Keeps the log-probs of all `batches`. Throws UserError for what cannot be written. Collective.
  void save(const std::vector<int>& batches, const Reference& reference);

 private:
  /// Why this rank cannot use the kept set of `stored` batches. If there is no reason, `found` has this
  /// rank's micro-batches of the first `wanted` ones.
  std::optional<std::string> read(uint64_t stored, const std::vector<int>& batches, size_t wanted,
                                  Reference& found) const;

  ReferencePlace place_;
  int micro_batches_;
  Collectives& collectives_;
  TrainCheckpoint::Say say_;
};

}  // namespace apportion
