// Bytes that a rank of a training group needs, part by part, from the model's shape and its layout over
// ranks. Follows what the worker keeps (each formula names its file). step_time.h has seconds, cost.h FLOPs.
//
// Legend: T tokens of a micro-batch (padded), C width, F ffn_width, H heads, G kv_heads, D head_dim, V
// vocabulary, L layers, c bytes of the compute type, s shard_size.
#pragma once

#include <cstdint>

#include "shared/architecture/shape.h"
#include "shared/config/run_config.h"

namespace apportion {

/// What a step computes on a rank.
struct StepLoad {
  int64_t tokens = 0;           // distinct tokens of a micro-batch's tree
  int64_t path = 0;             // ancestors of a token, itself included, on average
  int64_t vocabulary_rows = 0;  // rows whose log-probs are read
  int64_t micro_batches = 1;    // per rank; all of them are alive between forward and backward
  int64_t lanes = 1;            // micro-batches computed side by side

  /// Keys that a block of queries (32 neighbours, tree_attention.h) gathers: their shared path and
  /// themselves.
  int64_t block_keys() const { return path + 32; }
  int64_t padded_tokens() const { return (tokens + 31) / 32 * 32; }
};

/// How the model lies over the ranks of a group.
struct RankLayout {
  int64_t ranks = 1;
  int64_t shard_size = 1;  // ranks that share one copy of the base; 1: resident, nothing is gathered
  Tuning tuning = Tuning::adapter;
  Recompute recompute = Recompute::never;
  BaseType base = BaseType::compute;  // storage of the frozen base; full fine-tuning has float32 masters
  double compute_bytes = 2;           // per value in computations: 2 (bfloat16) or 4 (float32)
  BasePlace place = BasePlace::memory;
  // Linear layers and attention multiply in panels (worker/kernels): keys are not copied per block of
  // queries, and all micro-batches of a lane go through a block together.
  bool panels = false;
  // A GPU: when an adapter is trained, all micro-batches of a step go through a block together.
  bool joined = false;

  /// Whether blocks and chunks are brought in for each use, from other ranks or from the file.
  bool is_passing() const { return shard_size > 1 || place == BasePlace::file; }
};

/// Bytes on one rank at the peak of a step.
struct RankMemory {
  double base = 0;        // this rank's part of all blocks
  double gathered = 0;    // blocks in flight, in use, and unpacked; in full tuning also their gradients
  double embedding = 0;   // this rank's part of embedding and head
  double vocabulary = 0;  // chunks of the head, logits and log-probs
  double trained = 0;  // adapter and Adam's moments; in full tuning (the base holds the masters) moments and
                       // gradient
  double gradients = 0;     // an adapter's, for all micro-batches, from the start of the backward pass
  double gradient_sum = 0;  // second buffer while two gradients are added
  double activations = 0;   // kept for the backward pass
  double workspace = 0;     // temporary in the first block's backward pass
  double positions = 0;     // table of rotary positions

  /// The peak is at the head, where no block is gathered; before the first block goes back; or while
  /// gradients are summed.
  double total() const {
    const double block = gathered + workspace;
    const double backward = activations + (vocabulary > block ? vocabulary : block);
    return base + embedding + trained + positions + gradients +
           (gradient_sum > backward ? gradient_sum : backward);
  }
};

/// Adapter weights of all layers: r (inputs + outputs) for each target.
int64_t adapter_parameters(const ModelShape& shape, const LoraConfig& lora);

/// Stored bytes per parameter of the frozen base: int8 and q4 include their blocks' scales, as in ggml's Q8_0
/// and Q4_1.
double base_bytes(const RankLayout& layout);

/// Bytes of one transformer block's weights: as stored (and gathered), and as computed with.
struct BlockBytes {
  double stored = 0, computed = 0;
};
BlockBytes block_bytes(const ModelShape& shape, const RankLayout& layout);

/// Rows per chunk: embedding and head are cut by rows into chunks that in float32 are no larger than a
/// block's linear layers in bfloat16; the last may be shorter.
int64_t chunk_rows(const ModelShape& shape);

/// Bytes that one micro-batch keeps in one block between forward and backward (no recompute).
double block_activation_bytes(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                              const RankLayout& layout);

RankMemory rank_memory(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                       const RankLayout& layout);

/// What a GPU holds besides the tensors that RankMemory counts. Calculated, not measured: docs/scaling.md
/// says from what.
struct GpuBeside {
  double context = 0;        // CUDA's own, taken by the first call
  double kernels = 0;        // code of LibTorch's, cuBLAS' and NCCL's kernels, loaded as they are used
  double workspace = 0;      // cuBLAS', for the main thread and for autograd's
  double communicators = 0;  // NCCL's buffers
  double scratch = 0;        // what a reduce-scatter adds up (collectives_nccl.cpp)
  double fragments = 0;      // in the blocks of memory that LibTorch keeps

  double total() const { return context + beyond_context(); }
  /// What is still to come when a program asks how much is free, since asking makes the context.
  double beyond_context() const { return kernels + workspace + communicators + scratch + fragments; }
};

/// For a rank whose tensors take so many bytes at the peak.
GpuBeside gpu_beside(const ModelShape& shape, const RankLayout& layout, double tensor_bytes);

}  // namespace apportion
