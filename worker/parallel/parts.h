// How a tensor is cut over the ranks of a group, what an operation requires of its tensors, and the one order
// of sums over ranks. This is plain memory and arithmetic; transfers.h moves bytes from rank to rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace apportion {

/// counts[r] elements for rank r, one part after another.
class Parts {
 public:
  /// Throws InternalError for a negative count or a total beyond int64.
  explicit Parts(const std::vector<int64_t>& counts);
  /// As even as possible: the first total % ranks parts have one more element.
  static Parts even(int64_t total, int ranks);

  int size() const { return static_cast<int>(offsets_.size()) - 1; }
  int64_t offset(int rank) const { return offsets_[static_cast<size_t>(rank)]; }
  int64_t count(int rank) const { return offset(rank + 1) - offset(rank); }
  int64_t total() const { return offsets_.back(); }

 private:
  std::vector<int64_t> offsets_;
};

/// Throws InternalError unless `own` is the rank's part and `all` the whole, both contiguous, of the same
/// type and on the same device.
void check_parts(const at::Tensor& own, const at::Tensor& all, const Parts& parts, int ranks, int rank);

/// Throws InternalError unless `tensor` is contiguous float32.
void check_float(const at::Tensor& tensor);

/// "all_gather of 12 numbers", as errors name an operation.
std::string describe(const char* operation, int64_t elements);

enum class LoopThreads { one, all };

/// out[i] = sum over sources s of s[i], i < count, along the binary tree over the sources in which node [a,
/// b) is [a, m) + [m, b) with m = a + half of b - a rounded up (that of tree_sum in gradients.h). `out` may
/// be one of the sources. The bits are the same with one thread and with all of the caller's
/// (at::get_num_threads).
void tree_sum_into(float* out, std::span<const float* const> sources, int64_t count, LoopThreads threads);

/// memcpy, with all of this thread's threads (at::get_num_threads) when there is much to copy.
void copy_bytes(void* to, const void* from, int64_t bytes);

}  // namespace apportion
