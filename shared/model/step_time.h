// Seconds of a training step on a rank: FLOPs and bytes over what the machine reaches, plus the communication
// that computing does not hide. memory.h has the bytes, machine.h the machines.
#pragma once

#include "shared/config/run_config.h"
#include "shared/model/machine.h"
#include "shared/model/memory.h"

namespace apportion {

/// Parts of a step's seconds, in order; all ranks are assumed to be equally fast.
struct StepTime {
  double compute = 0;       // of this rank's micro-batches, one after the other
  double exposed = 0;       // waiting for gathered blocks and chunks, beyond what computing hides
  double gradient_sum = 0;  // sum over the ranks, which nothing hides
  double optimizer = 0;
  double overhead = 0;
  double flops = 0;  // of this rank, without recomputation
  double total() const { return compute + exposed + gradient_sum + optimizer + overhead; }
};

/// Seconds until every rank of a shard group has `bytes` (a whole block's), starting from its own part: a
/// ring within the node and one between nodes run at the same time, and the ranks of a node share its
/// network.
double gather_seconds(double bytes, int64_t shard_size, const CalibratedMachine& machine);

/// `load.micro_batches` is the rank's own; a shard group gathers each block twice for all of them.
StepTime step_time(const ModelShape& shape, const LoraConfig& lora, const StepLoad& load,
                   const RankLayout& layout, const CalibratedMachine& machine);

}  // namespace apportion
