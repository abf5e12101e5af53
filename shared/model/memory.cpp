#include "shared/model/memory.h"

#include <algorithm>

#include "shared/architecture/block.h"
#include "shared/architecture/lora_targets.h"
#include "shared/base/error.h"
#include "shared/base/memory_limits.h"
#include "shared/model/cost.h"

namespace apportion {
namespace {

constexpr double float_bytes = 4;

/// Bytes per token that a block's linear layers save of x and x A^T (adapted_linear.cpp): the input of each
/// group with an adapter, and its low-rank product. Full fine-tuning needs every input.
double saved_inputs(const ModelShape& shape, const LoraConfig& lora, const RankLayout& layout) {
  const double c = layout.compute_bytes;
  const bool full = layout.tuning == Tuning::full;
  double inputs = 0, low_rank = 0;
  for (const FusedLayers& product : describe_block(shape).products) {
    const auto adapted = std::count_if(product.begin(), product.end(), [&](const LinearLayer& linear) {
      return !full && is_lora_target(linear, lora.targets);
    });
    if (full || adapted > 0) inputs += real(inputs_of(product)) * c;
    low_rank += real(adapted * lora.rank) * c;
  }
  return inputs + low_rank;
}

/// Embedding and head: one table when tied.
double tables_of(const ModelShape& shape) { return shape.tied_embedding ? 1 : 2; }

/// What is trained, and Adam's two moments; an adapter also has a copy in the compute type (lora.cpp). Full
/// tuning: the sharded moments, and the gradient, which accumulates from the first micro-batch on.
double trained_bytes(const ModelShape& shape, const LoraConfig& lora, const RankLayout& layout) {
  if (layout.tuning == Tuning::full)
    return 3 * float_bytes * real(shape.parameters()) / real(layout.shard_size);
  return real(adapter_parameters(shape, lora)) * (3 * float_bytes + layout.compute_bytes);
}

/// Log-probs of all micro-batches, and for each lane as much again while logits become log-probs, or their
/// gradient its copies (log_probs.cpp), twice when they are capped. When the head is brought in for each use,
/// also two of its chunks in float32 (if there are two) and one in the compute type.
double vocabulary_bytes(const ModelShape& shape, const StepLoad& load, const RankLayout& layout) {
  const double c = layout.compute_bytes;
  const double logits = float_bytes * real(load.vocabulary_rows * shape.vocabulary) *
                        real(load.micro_batches + (shape.logits_cap > 0 ? 2 : 1) * load.lanes);
  if (!layout.is_passing()) return logits;
  const int64_t rows = chunk_rows(shape);
  const double in_float = shape.vocabulary > rows ? 2 * float_bytes : float_bytes;
  return logits + real(rows * shape.width) * (in_float + (c < float_bytes ? c : 0));
}

/// Micro-batches that are in one block at once.
int64_t together(const StepLoad& load, const RankLayout& layout) {
  const bool join = layout.panels || layout.joined;
  return join && layout.tuning == Tuning::adapter ? load.micro_batches : load.lanes;
}

/// Beyond what is kept, and next to the residual's gradient in float32: the gated activation's backward pass
/// makes two [T, F] where the gradient behind it is freed; attention's makes three float32 copies of its
/// weights when three [T, F] are free, unless it is in panels (layers.cpp, tree_attention.cpp).
double workspace_bytes(const ModelShape& shape, const StepLoad& load, const RankLayout& layout) {
  const double c = layout.compute_bytes, ffn = c * real(shape.ffn_width);
  const double weights = real(shape.heads * load.block_keys()) * 3 * float_bytes;
  const double block = layout.panels ? 2 * ffn : std::max(2 * ffn, weights - 3 * ffn);
  return real(load.padded_tokens()) * (block + float_bytes * real(shape.width)) *
         real(together(load, layout));
}

double activation_bytes(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                        const RankLayout& layout) {
  const double tokens = real(load.padded_tokens()), block = block_activation_bytes(shape, lora, load, layout);
  // The plan of attention (mask in float32, keys and their users as int64), and cos and sin of the rows.
  // On a GPU those are kept twice (Llama::turn).
  const double turns = (layout.joined ? 2 : 1) * float_bytes * real(shape.head_dim);
  const double plan = real(load.block_keys()) * (float_bytes + 16.0 / 32) + turns;
  // Micro-batches that join in the blocks have a joint plan besides their own; a GPU has only the joint one.
  const double plans = !layout.joined && together(load, layout) > load.lanes ? 2 : 1;
  double blocks = real(shape.layers) * block * real(load.micro_batches);
  if (layout.recompute == Recompute::always) {
    blocks = real(shape.layers) * tokens * float_bytes * real(shape.width) * real(load.micro_batches) +
             block * real(together(load, layout));
  }
  return blocks + plans * tokens * plan * real(load.micro_batches);
}

}  // namespace

double base_bytes(const RankLayout& layout) {
  switch (layout.base) {
    case BaseType::compute:
      return layout.compute_bytes;
    case BaseType::int8:
      return 34.0 / 32;
    case BaseType::q4:
      return 20.0 / 32;
  }
  throw InternalError("a base type outside of its enumeration");
}

int64_t adapter_parameters(const ModelShape& shape, const LoraConfig& lora) {
  int64_t sum = 0;
  for (const FusedLayers& product : describe_block(shape).products) {
    for (const LinearLayer& linear : product) {
      if (is_lora_target(linear, lora.targets)) sum += lora.rank * (linear.inputs + linear.outputs);
    }
  }
  return sum * shape.layers;
}

BlockBytes block_bytes(const ModelShape& shape, const RankLayout& layout) {
  const double parameters = real(shape.block_parameters() / shape.layers);
  const double computed = parameters * layout.compute_bytes;
  // Full fine-tuning casts its shard to the compute type before it is gathered.
  return {layout.tuning == Tuning::full ? computed : parameters * base_bytes(layout), computed};
}

int64_t chunk_rows(const ModelShape& shape) {
  constexpr int64_t unit = 64;
  const int64_t bytes = 2 * shape.block_parameters() / shape.layers;
  const int64_t rows = bytes / (4 * shape.width) / unit * unit;
  return std::min(shape.vocabulary, std::max(unit, rows));
}

double block_activation_bytes(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                              const RankLayout& layout) {
  const double c = layout.compute_bytes, q = real(shape.heads * shape.head_dim);
  const double norms =
      (shape.output_norms ? 4 : 2) * (float_bytes * real(shape.width) + float_bytes);  // inputs and scales
  // q, keys and values (gathered per block of queries, or as they are), and the weights of all heads.
  const double key_copies = layout.panels ? 1 : real(load.block_keys()) / 32;
  const double keys = key_copies * real(shape.kv_heads * shape.head_dim);
  const double attention = c * (q + 2 * keys + real(shape.heads * load.block_keys()));
  const double gated = 2 * c * real(shape.ffn_width);
  return real(load.padded_tokens()) * (norms + attention + gated + saved_inputs(shape, lora, layout));
}

RankMemory rank_memory(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                       const RankLayout& layout) {
  const double s = real(layout.shard_size), blocks = real(shape.block_parameters());
  const bool full = layout.tuning == Tuning::full;
  const BlockBytes block = block_bytes(shape, layout);
  RankMemory memory;
  const double norms = float_bytes * real(shape.vector_parameters());
  memory.base = blocks * (full ? float_bytes : base_bytes(layout)) / s + norms;
  if (layout.is_passing()) memory.gathered = 2 * block.stored;
  // Full tuning: the whole gradients of two blocks, on their way into the reduce-scatter.
  if (layout.shard_size > 1 && full) memory.gathered += 2 * float_bytes * blocks / real(shape.layers);
  if (block.stored != block.computed) memory.gathered += block.computed;
  const double table = real(shape.vocabulary * shape.width);
  memory.embedding = tables_of(shape) * table * float_bytes / s;
  // Resident models also keep the head in the compute type (llama.h), and fully trained ones all weights.
  if (layout.shard_size == 1 && layout.compute_bytes < float_bytes)
    memory.embedding += table * layout.compute_bytes;
  if (layout.shard_size == 1 && full) memory.base += blocks * layout.compute_bytes;
  if (layout.place == BasePlace::file) {  // norms stay; and a rank's part of a block while it is sent
    memory.base = norms;
    memory.embedding = 0;
    if (layout.shard_size > 1) memory.gathered += block.stored / s;
  }
  memory.vocabulary = vocabulary_bytes(shape, load, layout);
  memory.trained = trained_bytes(shape, lora, layout);
  if (!full) {
    const double one = float_bytes * real(adapter_parameters(shape, lora));
    memory.gradients = one * real(load.micro_batches);
    // On a GPU all matrices' gradients, once more while they are put together (BlockPass::backward).
    memory.gradient_sum = layout.joined ? memory.gradients : one;
  }
  memory.activations = activation_bytes(shape, lora, load, layout);
  memory.workspace = workspace_bytes(shape, load, layout);
  memory.positions = float_bytes * real(shape.context_length * shape.head_dim);
  return memory;
}

GpuBeside gpu_beside(const ModelShape& shape, const RankLayout& layout, double tensor_bytes) {
  constexpr double share_of_fragments = 0.1;
  GpuBeside beside;
  beside.context = 512 * mebi;
  beside.kernels = 256 * mebi;
  beside.workspace = 2 * 64 * mebi;
  beside.fragments = share_of_fragments * tensor_bytes;
  if (layout.ranks == 1) return beside;
  // One for the task's ranks, one for those that share a base, one for those with the same part of it.
  const bool shares = layout.shard_size > 1, replicates = shares && layout.shard_size < layout.ranks;
  beside.communicators = (1.0 + (shares ? 1 : 0) + (replicates ? 1 : 0)) * 256 * mebi;
  if (shares && layout.tuning == Tuning::full)
    beside.scratch = float_bytes * real(shape.block_parameters() / shape.layers);
  return beside;
}

}  // namespace apportion
