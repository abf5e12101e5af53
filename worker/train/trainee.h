// What a stage of training changes: an adapter, or all weights of the model (full_weights.h). The trainer
// asks for passes and a gradient, updates flat float32 values, and knows nothing else about it.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "shared/model/cost.h"
#include "worker/models/llama.h"
#include "worker/parallel/collectives.h"
#include "worker/train/block_pass.h"
#include "worker/train/optimizer.h"

namespace apportion {

/// One tensor of a trainee's state as checkpoints see it, with one axis of `rows` values. This rank has
/// [first, last), starting at `offset` in values(), and writes [write_first, write_last) of them.
struct StatePart {
  std::string name;
  uint64_t rows = 0, first = 0, last = 0;
  int64_t offset = 0;
  uint64_t write_first = 0, write_last = 0;
};

/// Part `index` of `parts` of the rows [first, last), cut as evenly as possible.
std::pair<uint64_t, uint64_t> rows_of(uint64_t first, uint64_t last, int index, int parts);

class Trainee {
 public:
  virtual ~Trainee() = default;

  /// A pass of micro-batches. Collective over the ranks that share the base if the pass's calls are.
  virtual std::unique_ptr<BlockPass> pass(std::vector<PassItem> items, Recompute recompute) = 0;
  /// The gradient of values(), summed over the micro-batches of all ranks of the group; `own` is the result
  /// of this rank's backward pass. Collective.
  virtual at::Tensor gradient(std::vector<at::Tensor> own, int micro_batches, Collectives& group) = 0;

  /// The matrices that fill values(); none if their rows may lie on several ranks.
  virtual std::vector<MatrixPlace> matrices() { return {}; }
  /// Float32 [n]: all trained values, or this rank's part. Call refresh after writing to it.
  virtual at::Tensor& values() = 0;
  /// The ranks whose values() together are all trained values; null: every rank has all.
  virtual Collectives* holders() = 0;
  /// Updates what passes read from the values. Collective over the ranks that share the base.
  virtual void refresh() = 0;

  /// The values as a checkpoint's tensors; the ranks of `group` write it.
  virtual std::vector<StatePart> state_parts(Collectives& group) const = 0;
  /// FLOPs of a micro-batch, forward and backward.
  virtual double flops(const PassSize& size) const = 0;
};

/// Trains an adapter, all of which is on every rank. References must outlive the trainee.
std::unique_ptr<Trainee> train_adapter(const Llama& model, Adapter& adapter);

}  // namespace apportion
