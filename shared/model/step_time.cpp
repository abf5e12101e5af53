#include "shared/model/step_time.h"

#include <algorithm>
#include <cmath>

#include "shared/model/cost.h"

namespace apportion {
namespace {

/// Seconds of one micro-batch's blocks and head, without communication.
struct Pass {
  double block_forward = 0, block_backward = 0;  // per block
  double head_forward = 0, head_backward = 0;
};

class StepModel {
 public:
  StepModel(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load, const RankLayout& layout,
            const CalibratedMachine& machine)
      : shape_(shape), lora_(lora), load_(load), layout_(layout), machine_(machine) {}

  StepTime run() const {
    const Pass pass = pass_of_micro_batch();
    const double blocks = real(shape_.layers), count = real(load_.micro_batches);
    StepTime time;
    time.compute = count * (blocks * (pass.block_forward + pass.block_backward) + pass.head_forward +
                            pass.head_backward);
    time.exposed = layout_.shard_size > 1 ? exposed_seconds(pass) : 0;
    time.gradient_sum = gradient_seconds();
    time.optimizer = optimizer_seconds();
    time.overhead = machine_.coefficients.step_overhead_s;
    time.flops = count * useful_flops();
    return time;
  }

 private:
  bool full() const { return layout_.tuning == Tuning::full; }
  int64_t adapter() const { return full() ? 0 : adapter_parameters(shape_, lora_); }
  double matrix_seconds(double flops) const {
    return flops / (machine_.machine.peak_flops * machine_.coefficients.matrix_efficiency);
  }
  double float_seconds(double flops) const {
    return flops / (machine_.machine.float_flops * machine_.coefficients.matrix_efficiency);
  }
  double memory_seconds(double bytes) const {
    return bytes / (machine_.machine.memory_bandwidth * machine_.coefficients.memory_efficiency);
  }

  /// As cost.h counts them: unmasked pairs; every path has about as many ancestors as it has tokens on it.
  double useful_flops() const {
    const PassSize size{load_.tokens, load_.tokens * load_.path, load_.vocabulary_rows};
    const double base_gradient =
        full() ? forward_flops(shape_, 0, {size.tokens, 0, size.vocabulary_rows}) : 0;
    return train_flops(shape_, adapter(), size) + base_gradient;
  }

  Pass pass_of_micro_batch() const {
    const double layers = real(shape_.layers), tokens = real(load_.padded_tokens());
    const double base = forward_flops(shape_, 0, {load_.padded_tokens(), 0, 0}) / layers;
    const double adapters = 2 * tokens * real(adapter()) / layers;
    // Every key that a block of queries gathers takes part in products, masked or not.
    const double attention = forward_flops(shape_, 0, {0, load_.padded_tokens() * load_.block_keys(), 0}) /
                             layers /
                             (machine_.machine.peak_flops * machine_.coefficients.attention_efficiency);
    // What a block keeps is written and read once in the forward pass, and read, with its gradients, about
    // twice as often in the backward pass. A product takes at least the time to read its weights.
    const double kept = memory_seconds(block_activation_bytes(shape_, lora_, load_, layout_));
    const double weights = memory_seconds(block_bytes(shape_, layout_).computed);
    // When an adapter is trained, a GPU takes all micro-batches of a step through a block together
    // (block_pass.cpp).
    const double together = layout_.joined && !full() ? real(load_.micro_batches) : 1;
    const double overhead = machine_.coefficients.block_overhead_s / together;
    Pass pass;
    pass.block_forward = std::max(matrix_seconds(base), weights) + matrix_seconds(adapters) + attention +
                         2 * kept + overhead / 3;
    // On a CPU the gradients of A and B are products in float32 unless in panels (adapted_linear.cpp); the
    // logits always are (vocabulary.cpp).
    const bool in_compute_type = layout_.panels || layout_.joined;
    const double gradients = in_compute_type ? matrix_seconds(adapters) : float_seconds(adapters);
    pass.block_backward = std::max(matrix_seconds(base * (full() ? 2 : 1)), weights) +
                          matrix_seconds(adapters) + gradients + 2 * attention + 4 * kept + 2 * overhead / 3;
    if (layout_.recompute == Recompute::always) pass.block_backward += pass.block_forward;
    const double head = forward_flops(shape_, 0, {0, 0, load_.vocabulary_rows});
    const double logits = memory_seconds(4 * real(load_.vocabulary_rows * shape_.vocabulary));
    pass.head_forward = float_seconds(head) + 3 * logits;
    pass.head_backward = matrix_seconds((full() ? 2 : 1) * head) + 4 * logits;
    return pass;
  }

  /// Blocks are the outer loop and micro-batches the inner one, so each block is gathered once forward and
  /// once backward, one ahead. So are chunks of embedding and head, but nothing hides those of the look-up.
  /// Full tuning reduce-scatters float32 gradients at the same time.
  double exposed_seconds(const Pass& pass) const {
    const double layers = real(shape_.layers);
    const double count = real(load_.micro_batches) * machine_.coefficients.link_overlap;
    const double gather = gather_seconds(block_bytes(shape_, layout_).stored, layout_.shard_size, machine_);
    const double scatter =
        full() ? gather_seconds(4 * real(shape_.block_parameters()) / layers, layout_.shard_size, machine_)
               : 0;
    const double blocks = gather + (layers - 1) * std::max(0.0, gather - count * pass.block_forward) +
                          layers * std::max(0.0, gather + scatter - count * pass.block_backward);
    const int64_t rows = chunk_rows(shape_);
    const double chunks = std::ceil(real(shape_.vocabulary) / real(rows));
    const double chunk = gather_seconds(4 * real(rows * shape_.width), layout_.shard_size, machine_);
    const double head = 2 * chunk + chunks * (std::max(0.0, chunk - count * pass.head_forward / chunks) +
                                              std::max(0.0, chunk - count * pass.head_backward / chunks));
    return blocks + chunks * chunk + head;
  }

  /// Between all ranks, over the slower of the two links once there is more than one node.
  double hop_seconds(double bytes) const {
    const Coefficients& c = machine_.coefficients;
    if (layout_.ranks <= machine_.machine.ranks_per_node)
      return c.link_latency_s + bytes / (machine_.machine.link_bandwidth * c.link_efficiency);
    return c.network_latency_s + bytes / (machine_.machine.network_bandwidth * c.network_efficiency);
  }

  /// Adapters: the binary tree of gradients.cpp, level by level, then a broadcast. Full fine-tuning: the
  /// shards' gradients over the replicas, as a ring.
  double gradient_seconds() const {
    if (layout_.ranks == 1) return 0;
    if (!full()) {
      const double levels = std::ceil(std::log2(real(layout_.ranks)));
      return (levels + 1) * hop_seconds(4 * real(adapter()));
    }
    const double replicas = real(layout_.ranks / layout_.shard_size);
    if (replicas == 1) return 0;
    return 2 * (replicas - 1) *
           hop_seconds(4 * real(shape_.parameters()) / real(layout_.shard_size) / replicas);
  }

  /// AdamW on float32 values: about twelve passes over them, or on a CPU one that reads four and writes three
  /// (optimizer.cpp); plus the norm of the gradient.
  double optimizer_seconds() const {
    const double values = full() ? real(shape_.parameters()) / real(layout_.shard_size) : real(adapter());
    return memory_seconds((machine_.machine.is_cpu ? 8 : 14) * 4 * values);
  }

  const ModelShape& shape_;
  const LoraConfig& lora_;
  const StepLoad& load_;
  const RankLayout& layout_;
  const CalibratedMachine& machine_;
};

}  // namespace

double gather_seconds(double bytes, int64_t shard_size, const CalibratedMachine& machine) {
  if (shard_size <= 1) return 0;
  const Coefficients& c = machine.coefficients;
  const double inside = real(std::min<int64_t>(shard_size, machine.machine.ranks_per_node));
  const double nodes = std::ceil(real(shard_size) / inside);
  const double in_node = bytes * (inside - 1) / inside / (machine.machine.link_bandwidth * c.link_efficiency);
  const double between =
      bytes * (nodes - 1) / nodes / (machine.machine.network_bandwidth * inside * c.network_efficiency);
  return std::max(in_node, between) + (inside - 1) * c.link_latency_s + (nodes - 1) * c.network_latency_s;
}

StepTime step_time(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                   const RankLayout& layout, const CalibratedMachine& machine) {
  return StepModel(shape, lora, load, layout, machine).run();
}

}  // namespace apportion
