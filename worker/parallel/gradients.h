// Sums that do not depend on who computed what: a step's M micro-batches are dealt to the ranks of a group in
// contiguous runs, their gradients are kept apart and added along one fixed binary tree over the M leaves.
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
/// is consumed; all are like `like`, which a rank without leaves needs to know. Collective: every rank of the
/// group.
at::Tensor tree_sum(std::vector<at::Tensor> own, const at::Tensor& like, int micro_batches,
                    Collectives& collectives);

/// The sum of leaves that are all here, along the same tree; undefined ones are zeros, and so is the sum of
/// nothing else (undefined). The leaves are consumed.
at::Tensor tree_sum(std::vector<at::Tensor> leaves);

/// sum of squares of float32 values in double, on a CPU in a fixed order (blocks of 4096, then the blocks in
/// order).
double square_sum(const at::Tensor& values);

}  // namespace apportion
