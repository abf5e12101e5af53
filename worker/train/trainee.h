// What a stage of training changes: an adapter, or all weights of the model (full_weights.h). The trainer
// asks for passes and a gradient, steps on flat float32 values, and knows no more of it.
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

/// One tensor of a trainee's state as checkpoints know it, one axis of `rows` values: this rank has [first,
/// last), from `offset` in values(), and writes [write_first, write_last) of them.
struct StatePart {
  std::string name;
  uint64_t rows = 0, first = 0, last = 0;
  int64_t offset = 0;
  uint64_t write_first = 0, write_last = 0;
};

/// Part `index` of `parts` of the rows [first, last), as equal as can be.
std::pair<uint64_t, uint64_t> rows_of(uint64_t first, uint64_t last, int index, int parts);

class Trainee {
 public:
  virtual ~Trainee() = default;

  /// A pass of micro-batches. Collective over the ranks that share the base where its calls are.
  virtual std::unique_ptr<BlockPass> pass(std::vector<PassItem> items, Recompute recompute) = 0;
  /// The gradient of values(), summed over the micro-batches of all ranks of the group; `own` is what the
  /// backward pass of this rank's returned. Collective.
  virtual at::Tensor gradient(std::vector<at::Tensor> own, int micro_batches, Collectives& group) = 0;

  /// Matrices in values(), which they fill; none where their rows may lie on several ranks.
  virtual std::vector<MatrixPlace> matrices() { return {}; }
  /// Float32 [n]: all that is trained, or this rank's part. After writing to it call refresh.
  virtual at::Tensor& values() = 0;
  /// The ranks whose values() together are all that is trained; null: it is replicated.
  virtual Collectives* holders() = 0;
  /// Renews what passes read from the values. Collective over the ranks that share the base.
  virtual void refresh() = 0;

  /// The values as a checkpoint's tensors; `group` are the ranks that write it.
  virtual std::vector<StatePart> state_parts(Collectives& group) const = 0;
  /// Of a micro-batch, forward and backward.
  virtual double flops(const PassSize& size) const = 0;
};

/// Trains an adapter; every rank has all of it. References outlive the trainee.
std::unique_ptr<Trainee> train_adapter(const Llama& model, Adapter& adapter);

}  // namespace apportion
