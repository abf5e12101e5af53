// Sums that do not depend on who computed what. A step's M micro-batches are dealt to the ranks of a group in
// contiguous runs; their gradients are kept apart and added along one fixed binary tree over the M leaves.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/parallel/collectives.h"

namespace apportion {

/// The micro-batches [first, last) of group rank `rank` among `ranks`; empty for ranks beyond M.
struct MicroBatchRange {
  int first = 0, last = 0;
};
MicroBatchRange micro_batches_of(int rank, int ranks, int micro_batches);

/// The sum over all M leaves, the same bytes on every rank and for every number of ranks: node [a, b) of the
/// tree is [a, m) + [m, b) with m = a + half of b - a rounded up. `own` holds this rank's leaves in order and
/// is consumed; all have the form of `like`, which ranks without leaves need. Collective: every rank of the
/// group.
at::Tensor tree_sum(std::vector<at::Tensor> own, const at::Tensor& like, int micro_batches,
                    Collectives& collectives);

/// The sum along the same tree when all leaves are here. Undefined leaves count as zeros, and if all are
/// undefined so is the sum. The leaves are consumed.
at::Tensor tree_sum(std::vector<at::Tensor> leaves);

/// Sum of squares of float32 values, in double; on a CPU in a fixed order (within blocks of 4096, then over
/// the blocks in order).
double square_sum(const at::Tensor& values);

}  // namespace apportion
