// The reference's log-probs as an artefact: computed once, kept in a folder of the results, and read by later
// tasks that compare with the same model on the same batches (another beta, another rate, or the same task
// begun anew). The files are those of a checkpoint (shared/store/checkpoint.h), so any number of ranks reads
// what any number wrote, and nothing damaged is used.
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

/// `identity` names all that the log-probs depend on: weights, adapter, prompts, how they are packed.
struct ReferencePlace {
  std::string folder, identity;
  bool fresh = false;  // what is kept there is not read
};

class ReferenceStore {
 public:
  /// Of steps whose batches are cut into `micro_batches`. `say` as in TrainCheckpoint.
  ReferenceStore(ReferencePlace place, int micro_batches, Collectives& collectives, TrainCheckpoint::Say say);

  /// Of the first ones of `batches` (in the order of their first use) what is kept, possibly none. What is
  /// damaged is passed over with a warning; that of another identity throws UserError. Collective.
  Reference load(const std::vector<int>& batches);

  /// Keeps all of `batches`. Throws UserError for what cannot be written. Collective.
  void save(const std::vector<int>& batches, const Reference& reference);

 private:
  /// Why this rank cannot use what was kept of `stored` batches; its micro-batches of the first `wanted` are
  /// in `found` when there is no reason.
  std::optional<std::string> read(uint64_t stored, const std::vector<int>& batches, size_t wanted,
                                  Reference& found) const;

  ReferencePlace place_;
  int micro_batches_;
  Collectives& collectives_;
  TrainCheckpoint::Say say_;
};

}  // namespace apportion
