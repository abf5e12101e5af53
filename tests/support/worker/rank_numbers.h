// Numbers for tests of operations between ranks: how many each rank has, their values, their sum in the
// promised order, and the error that a call must end with.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shared/base/error.h"

namespace apportion {

namespace suite {

/// Numbers of elements for each rank, for groups of `ranks`: equal ones, awkward ones, and some zeros.
inline std::vector<std::vector<int64_t>> counts_of(int ranks) {
  const auto size = static_cast<size_t>(ranks);
  std::vector<int64_t> rising(size), gaps(size), one(size, 0), first(size, 0), uneven(size);
  for (size_t rank = 0; rank < size; ++rank) {
    rising[rank] = static_cast<int64_t>(rank);
    gaps[rank] = rank % 2 == 0 ? 0 : 17;
    uneven[rank] = 100003 + 7 * static_cast<int64_t>(rank);
  }
  one.back() = 1;
  first.front() = 1023;
  return {std::vector<int64_t>(size, 64), std::vector<int64_t>(size, 1),     rising, gaps, one, first, uneven,
          std::vector<int64_t>(size, 0),  std::vector<int64_t>(size, 600001)};
}

inline int64_t total_of(const std::vector<int64_t>& counts) {
  int64_t total = 0;
  for (int64_t count : counts) total += count;
  return total;
}

inline at::Tensor part_of(const at::Tensor& all, const std::vector<int64_t>& counts, int rank) {
  int64_t offset = 0;
  for (int r = 0; r < rank; ++r) offset += counts[static_cast<size_t>(r)];
  return all.narrow(0, offset, counts[static_cast<size_t>(rank)]);
}

/// `size` elements whose values show their place.
inline at::Tensor numbered(int64_t size, at::ScalarType type, int64_t from = 0) {
  return at::arange(from, from + size, at::kLong).remainder(251).to(type);
}

/// A rank's contribution to a sum. Magnitudes differ a lot, so the order of additions shows.
inline at::Tensor contribution(int rank, int64_t size) {
  at::Tensor values = at::empty({size}, at::kFloat);
  auto* data = values.data_ptr<float>();
  uint64_t state = 0x9E3779B97F4A7C15ULL * static_cast<uint64_t>(rank + 1);
  for (int64_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const float mantissa = static_cast<float>(state >> 40) / static_cast<float>(1 << 24) - 0.5F;
    data[i] = std::ldexp(mantissa, static_cast<int>((state >> 33) % 24));
  }
  return values;
}

/// The sum over ranks [first, last) in the promised order, made with ATen's additions.
inline at::Tensor reference_sum(int first, int last, int64_t size) {
  if (last - first == 1) return contribution(first, size);
  const int middle = first + (last - first + 1) / 2;
  return reference_sum(first, middle, size) + reference_sum(middle, last, size);
}

/// The RankError that `work` must throw; the test fails, with rank -2, if it throws none.
inline RankError error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const RankError& error) {
    return error;
  }
  ADD_FAILURE() << "no RankError";
  return {-2, ""};
}

inline bool holds(const RankError& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

}  // namespace suite

}  // namespace apportion
