// Low-rank adapters (LoRA, arXiv 2106.09685) and the linear layers they sit on. All values of an adapter lie
// in one flat float32 tensor, so that a sum over ranks, a clip and an Adam step are single operations.
// Adapter files are adapter_file.h's business.
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
  at::Tensor leaf_OI =
      {};  // where weight_OI is trained: stands for it in the graph, without values of its own
};

/// The adapters of one LinearGroup; `adapted` are indices of its parts that have one.
struct LoraGroup {
  std::vector<size_t> adapted;
  at::Tensor a;          // [adapted * r, I] float32 leaf, a view of the adapter's values
  at::Tensor b;          // [sum of adapted O, r] float32 leaf, likewise
  at::Tensor a_compute;  // a * alpha / r in compute type, one copy a step
  at::Tensor b_compute;  // b in compute type
  double scale = 1;      // alpha / r
  // A and B as leaves of the graph, all of one memory. On a CPU a pair for each part of the rows
  // (adapted_linear.h); on a GPU pair p is for p + 1 parts together, [p + 1, ...] but for the first.
  std::vector<at::Tensor> leaves;
};

class Adapter {
 public:
  /// On the uppermost of the blocks, config.layers of them: zero B and Kaiming-uniform A (bound 1 / sqrt(I),
  /// as peft) drawn by CounterRng from `seed`. Throws UserError when no target names a linear layer.
  Adapter(const ModelShape& shape, const LoraConfig& config, uint64_t seed, at::Device device);

  const LoraConfig& config() const { return config_; }
  /// All values, float32 [n]. After writing to it call refresh.
  at::Tensor& values() { return values_; }
  const at::Tensor& values() const { return values_; }
  /// Renews the compute-type copies from the values.
  void refresh(at::ScalarType compute_type);
  /// The leaves that gradients are asked for, in the order in which they lie in values().
  const std::vector<at::Tensor>& leaves() const { return leaves_; }
  /// Those of block `layer` for one part of the rows (CPU), or for part + 1 parts (GPU). A leaf's
  /// storage_offset() is its place in values().
  std::vector<at::Tensor> leaves_of(int64_t layer, size_t part = 0) const;
  /// From here on rows may go through the adapter in up to so many parts, each with gradients of its own.
  void allow_parts(size_t parts);
  size_t parts() const { return parts_; }
  /// The lowest block that has adapters: a gradient need not go below.
  int64_t lowest_layer() const;
  /// The adapters of group `group` of block `layer`; null where there are none.
  const LoraGroup* group(int64_t layer, size_t group) const;
  /// Values of LoRA weights that one token passes (for counting FLOPs).
  int64_t parameters() const { return values_.numel(); }

  /// One matrix by its place: views [r, I] and [O, r] of the values.
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
