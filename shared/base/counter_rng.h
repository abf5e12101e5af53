// Random numbers as a function of a key and a counter: Philox4x32-10 (Salmon et al., SC 2011).
//
// A draw is keyed by what it is for (seed, dataset, subject, path ...), so it does not depend on ranks,
// threads or the order of work. No std distribution is used anywhere: they differ by library.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace apportion {

/// Four 32-bit words of Philox4x32-10 for `counter` under `key`.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A stream of draws for one purpose. Two streams with different purposes are independent.
class CounterRng {
 public:
  /// `purpose` is any text that says what the draws are for; it is hashed with `seed` into key and counter.
  CounterRng(uint64_t seed, std::string_view purpose);

  /// Uniform in [0, 1) with 53 bits.
  double uniform();
  /// Uniform in {0, ..., bound - 1} without bias; bound > 0.
  uint64_t below(uint64_t bound);
  /// Standard normal (Box-Muller, one of the pair).
  double normal();

  /// The numbers of row `row` from its first on, uniform in (-bound, bound) with 16 bits each. They depend
  /// only on the stream and the row, not on earlier draws, and are not those of the functions above. One
  /// Philox call gives a block of eight, for tensors of billions.
  void fill_row(uint32_t row, std::span<float> values, float bound) const;

 private:
  uint64_t next();

  std::array<uint32_t, 2> key_{};
  std::array<uint32_t, 2> stream_{};
  uint64_t counter_ = 0;
};

}  // namespace apportion
