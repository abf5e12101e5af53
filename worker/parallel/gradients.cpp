#include "worker/parallel/gradients.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "shared/base/error.h"
#include "worker/kernels/row_kernels.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

/// Where the tree over leaves [first, last) splits, whoever has them.
template <typename Index>
Index middle_of(Index first, Index last) {
  return first + (last - first + 1) / 2;
}

/// Leaf `first` becomes the sum of leaves [first, last), `count` values each.
void add_leaves(const std::vector<float*>& leaves, size_t first, size_t last, int64_t count) {
  if (last - first == 1) return;
  const size_t middle = middle_of(first, last);
  add_leaves(leaves, first, middle, count);
  add_leaves(leaves, middle, last, count);
  kernel_set().accumulate(leaves[middle], count, leaves[first]);
}

/// The sum of leaves [first, last), which are consumed. On a CPU it takes one pass over memory, in pieces
/// that stay in the caches.
at::Tensor sum_of(std::vector<at::Tensor>& leaves, size_t first, size_t last) {
  if (last - first == 1) return std::move(leaves[first]);
  const bool plain = std::all_of(
      leaves.begin() + static_cast<int64_t>(first), leaves.begin() + static_cast<int64_t>(last),
      [](const at::Tensor& leaf) { return leaf.defined() && leaf.is_cpu() && leaf.is_contiguous(); });
  if (!plain) {
    const size_t middle = middle_of(first, last);
    at::Tensor left = sum_of(leaves, first, middle), right = sum_of(leaves, middle, last);
    if (!left.defined() || !right.defined()) return left.defined() ? left : right;
    return left.add_(right);
  }
  constexpr int64_t piece = 8192;
  const int64_t count = leaves[first].numel(), pieces = (count + piece - 1) / piece;
  run_pieces(pieces, 8, [&](int64_t from, int64_t to) {
    std::vector<float*> places(leaves.size());
    for (int64_t p = from; p < to; ++p) {
      for (size_t leaf = first; leaf < last; ++leaf)
        places[leaf] = leaves[leaf].data_ptr<float>() + p * piece;
      add_leaves(places, first, last, std::min(piece, count - p * piece));
    }
  });
  return std::move(leaves[first]);
}

/// Sums in float64, some values at a time; the host waits once.
double square_sum_on_device(const at::Tensor& values) {
  constexpr int64_t at_once = int64_t{1} << 24;
  const at::Tensor flat = values.flatten();
  at::Tensor sum = at::zeros({}, flat.options().dtype(at::kDouble));
  for (int64_t first = 0; first < flat.numel(); first += at_once) {
    at::Tensor wide = flat.narrow(0, first, std::min(at_once, flat.numel() - first)).to(at::kDouble);
    sum.add_(wide.square_().sum());
  }
  return sum.item<double>();
}

class TreeSum {
 public:
  TreeSum(std::vector<at::Tensor>& own, int micro_batches, Collectives& collectives)
      : own_(own), micro_batches_(micro_batches), collectives_(collectives) {
    own_range_ = micro_batches_of(collectives.group_rank(), collectives.size(), micro_batches);
    ensure(static_cast<int>(own.size()) == own_range_.last - own_range_.first,
           "a rank brings its own leaves");
  }

  /// The sum of leaves [first, last), on the owner of leaf `first`; undefined on other ranks.
  at::Tensor sum(int first, int last) {
    if (owner(first) == owner(last - 1)) {
      if (owner(first) != collectives_.group_rank()) return {};
      return sum_of(own_, static_cast<size_t>(first - own_range_.first),
                    static_cast<size_t>(last - own_range_.first));
    }
    const int middle = middle_of(first, last);
    at::Tensor left = sum(first, middle), right = sum(middle, last);
    const int left_owner = owner(first), right_owner = owner(middle), rank = collectives_.group_rank();
    if (left_owner != right_owner && rank == right_owner) collectives_.send(right, left_owner);
    if (rank != left_owner) return {};
    if (left_owner != right_owner) {
      right = at::empty_like(left);
      collectives_.receive(right, right_owner);
    }
    return left.add_(right);
  }

 private:
  int owner(int leaf) const {
    for (int rank = 0;; ++rank) {
      if (leaf < micro_batches_of(rank, collectives_.size(), micro_batches_).last) return rank;
    }
  }

  std::vector<at::Tensor>& own_;
  int micro_batches_;
  Collectives& collectives_;
  MicroBatchRange own_range_;
};

}  // namespace

MicroBatchRange micro_batches_of(int rank, int ranks, int micro_batches) {
  const int workers = std::min(ranks, micro_batches);
  auto begin = [&](int r) {
    return static_cast<int>((static_cast<int64_t>(r) * micro_batches + workers - 1) / workers);
  };
  return rank < workers ? MicroBatchRange{begin(rank), begin(rank + 1)}
                        : MicroBatchRange{micro_batches, micro_batches};
}

at::Tensor tree_sum(std::vector<at::Tensor> own, const at::Tensor& like, int micro_batches,
                    Collectives& collectives) {
  at::Tensor total = TreeSum(own, micro_batches, collectives).sum(0, micro_batches);
  if (collectives.size() == 1) return total;
  if (!total.defined()) total = at::empty_like(like);
  collectives.broadcast(total, 0);
  return total;
}

at::Tensor tree_sum(std::vector<at::Tensor> leaves) {
  return leaves.empty() ? at::Tensor() : sum_of(leaves, 0, leaves.size());
}

double square_sum(const at::Tensor& values) {
  if (!values.is_cpu()) return square_sum_on_device(values);
  constexpr int64_t block = 4096;
  const at::Tensor host = values.contiguous();
  const float* data = host.data_ptr<float>();
  const int64_t size = host.numel(), blocks = (size + block - 1) / block;
  std::vector<double> partial(static_cast<size_t>(blocks));
  run_pieces(blocks, 16, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      double sum = 0;
      for (int64_t i = b * block; i < std::min(size, (b + 1) * block); ++i)
        sum += static_cast<double>(data[i]) * data[i];
      partial[static_cast<size_t>(b)] = sum;
    }
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace apportion
