// Low-rank adapters (LoRA, arXiv 2106.09685) and the linear layers they sit on. All values of an adapter lie
// in one flat float32 tensor, so a sum over ranks, a clip and an Adam step are single operations. Adapter
// files: adapter_file.h.
//
// Legend: T rows, I inputs, O outputs, r LoRA rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/config/run_config.h"

namespace apportion {

/// Linear layers computed as one product, with their weights.
struct LinearGroup {
  at::Tensor weight_OI;  // compute type
  FusedLayers parts;
  at::Tensor leaf_OI = {};  // if weight_OI is trained: stands for it in the graph, without own values
};

/// The adapters of one LinearGroup; `adapted` has the indices of its parts that have one.
struct LoraGroup {
  std::vector<size_t> adapted;
  at::Tensor a;          // [adapted * r, I] float32 leaf, a view of the adapter's values
  at::Tensor b;          // [sum of adapted O, r] float32 leaf, a view, too
  at::Tensor a_compute;  // a * alpha / r in compute type, one copy a step
  at::Tensor b_compute;  // b in compute type
  double scale = 1;      // alpha / r
  // A and B as leaves of the graph; all share one memory. On a CPU there is a pair for each part of the rows
  // (adapted_linear.h); on a GPU pair p is for p + 1 parts together, [p + 1, ...] except for the first.
  std::vector<at::Tensor> leaves;
};

class Adapter {
 public:
  /// Adapts the uppermost config.layers blocks: B is zero, A is Kaiming-uniform (bound 1 / sqrt(I), as in
  /// peft), drawn by CounterRng from `seed`. Throws UserError when no target names a linear layer.
  Adapter(const ModelShape& shape, const LoraConfig& config, uint64_t seed, at::Device device);

  const LoraConfig& config() const { return config_; }
  /// All values, float32 [n]. Call refresh after writing to it.
  at::Tensor& values() { return values_; }
  const at::Tensor& values() const { return values_; }
  /// Updates the copies in the compute type from the values.
  void refresh(at::ScalarType compute_type);
  /// The leaves that need gradients, in the order in which they lie in values().
  const std::vector<at::Tensor>& leaves() const { return leaves_; }
  /// Those of block `layer` for one part of the rows (CPU), or for part + 1 parts (GPU). A leaf's
  /// storage_offset() is its place in values().
  std::vector<at::Tensor> leaves_of(int64_t layer, size_t part = 0) const;
  /// From here on rows may go through the adapter in up to `parts` parts, each with its own gradients.
  void allow_parts(size_t parts);
  size_t parts() const { return parts_; }
  /// The lowest block that has adapters; gradients need not go below it.
  int64_t lowest_layer() const;
  /// The adapters of group `group` in block `layer`; null if there are none.
  const LoraGroup* group(int64_t layer, size_t group) const;
  /// Number of LoRA weights that one token passes (for counting FLOPs).
  int64_t parameters() const { return values_.numel(); }

  /// One layer's pair of matrices: views [r, I] and [O, r] of the values.
  struct Entry {
    int64_t layer;
    std::string_view name;  // within the block: "self_attn.q_proj"
    at::Tensor a, b;
  };
  std::vector<Entry> entries() const;

 private:
  LoraConfig config_;
  ModelShape shape_;
  at::Tensor values_;
  std::vector<at::Tensor> leaves_;
  std::vector<std::vector<std::unique_ptr<LoraGroup>>> groups_;  // [layer][group]
  size_t parts_ = 1;
};

}  // namespace apportion
