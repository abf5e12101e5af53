#include "worker/parallel/parts.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr int64_t block = 1024;              // floats: so a tree's partial sums stay in the core's cache
constexpr int64_t copy_grain = 1024 * 1024;  // bytes: less is not worth another thread

/// out = left + right. Fixed-size steps through a local array compile to vector code even if out is left.
void add(float* out, const float* left, const float* right, int64_t count) {
  constexpr int64_t step = 16;
  int64_t i = 0;
  for (; i + step <= count; i += step) {
    std::array<float, step> sum;
    for (size_t j = 0; j < step; ++j)
      sum[j] = left[i + static_cast<int64_t>(j)] + right[i + static_cast<int64_t>(j)];
    std::memcpy(out + i, sum.data(), sizeof sum);
  }
  for (; i < count; ++i) out[i] = left[i] + right[i];
}

/// Computes the sums of one block of elements at a time, with two buffers for each level of the tree.
class BlockSum {
 public:
  explicit BlockSum(std::span<const float* const> sources)
      : sources_(sources),
        scratch_(new float[2 * block * (1 + static_cast<size_t>(std::bit_width(sources.size())))]) {}

  void sum(float* out, int64_t begin, int64_t count) {
    begin_ = begin;
    count_ = count;
    const float* result = node(0, sources_.size(), 0, out);
    if (result != out) std::memcpy(out, result, static_cast<size_t>(count) * sizeof(float));
  }

 private:
  /// Returns the sum of sources [first, last): a source itself, or `out`, into which it was written.
  const float* node(size_t first, size_t last, size_t level, float* out) {
    if (last - first == 1) return sources_[first] + begin_;
    const size_t middle = first + (last - first + 1) / 2;
    float* buffers = scratch_.get() + 2 * block * level;
    const float* left = node(first, middle, level + 1, buffers);
    const float* right = node(middle, last, level + 1, buffers + block);
    add(out, left, right, count_);
    return out;
  }

  std::span<const float* const> sources_;
  std::unique_ptr<float[]> scratch_;
  int64_t begin_ = 0, count_ = 0;
};

}  // namespace

Parts::Parts(const std::vector<int64_t>& counts) : offsets_(counts.size() + 1, 0) {
  for (size_t rank = 0; rank < counts.size(); ++rank) {
    ensure(counts[rank] >= 0, "a rank's part has no negative number of elements");
    ensure(!__builtin_add_overflow(offsets_[rank], counts[rank], &offsets_[rank + 1]),
           "the parts of a tensor have fewer than 2^63 elements");
  }
}

Parts Parts::even(int64_t total, int ranks) {
  std::vector<int64_t> counts(static_cast<size_t>(ranks), total / ranks);
  for (int64_t rank = 0; rank < total % ranks; ++rank) ++counts[static_cast<size_t>(rank)];
  return Parts(counts);
}

void check_parts(const at::Tensor& own, const at::Tensor& all, const Parts& parts, int ranks, int rank) {
  ensure(parts.size() == ranks, "there is one count for every rank of the group");
  ensure(own.is_contiguous() && all.is_contiguous(), "tensors between ranks are contiguous");
  ensure(own.scalar_type() == all.scalar_type() && own.device() == all.device(),
         "a part and the whole have one type and one device");
  ensure(own.numel() == parts.count(rank), "a rank's part has as many elements as its count says");
  ensure(all.numel() == parts.total(), "the whole has as many elements as all counts together");
}

void check_float(const at::Tensor& tensor) {
  ensure(tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
         "what ranks add is contiguous float32");
}

std::string describe(const char* operation, int64_t elements) {
  return std::string(operation) + " of " + std::to_string(elements) + " numbers";
}

void tree_sum_into(float* out, std::span<const float* const> sources, int64_t count, LoopThreads threads) {
  const int64_t blocks = (count + block - 1) / block;
  auto sum_blocks = [&](int64_t first, int64_t last) {
    BlockSum sums(sources);
    for (int64_t b = first; b < last; ++b) {
      sums.sum(out + b * block, b * block, std::min(block, count - b * block));
    }
  };
  if (threads == LoopThreads::all) {
    at::parallel_for(0, blocks, 256, sum_blocks);
  } else {
    sum_blocks(0, blocks);
  }
}

void copy_bytes(void* to, const void* from, int64_t bytes) {
  if (to == from) return;
  at::parallel_for(0, bytes, copy_grain, [&](int64_t first, int64_t last) {
    std::memcpy(static_cast<char*>(to) + first, static_cast<const char*>(from) + first,
                static_cast<size_t>(last - first));
  });
}

}  // namespace apportion
