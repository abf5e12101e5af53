#include "shared/base/counter_rng.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {

namespace {

/// One call, inline so that the blocks of a row overlap in the pipeline.
inline std::array<uint32_t, 4> philox_rounds(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  return philox_rounds(counter, key);
}

CounterRng::CounterRng(uint64_t seed, std::string_view purpose) {
  std::string text = std::to_string(seed) + '\n';
  text += purpose;
  std::string hex = sha256(text);
  auto word = [&](size_t index) {
    return static_cast<uint32_t>(std::stoul(hex.substr(8 * index, 8), nullptr, 16));
  };
  key_ = {word(0), word(1)};
  stream_ = {word(2), word(3)};
}

uint64_t CounterRng::next() {
  uint64_t block = counter_ / 2;
  auto words = philox(
      {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), stream_[0], stream_[1]}, key_);
  size_t half = 2 * (counter_++ % 2);
  return (uint64_t{words[half]} << 32) | words[half + 1];
}

double CounterRng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

uint64_t CounterRng::below(uint64_t bound) {
  ensure(bound > 0, "the bound of a draw is positive");
  uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

double CounterRng::normal() {
  constexpr double two_pi = 6.283185307179586476925286766559;
  double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(two_pi * uniform());
}

void CounterRng::fill_row(uint32_t row, std::span<float> values, float bound) const {
  // Not next()'s key, since its counters have the same form.
  const std::array<uint32_t, 2> key = {key_[0], ~key_[1]};
  const float step = bound / 32768;
  auto write = [&](uint32_t block, float* out) {
    const std::array<uint32_t, 4> words = philox_rounds({block, row, stream_[0], stream_[1]}, key);
    for (size_t i = 0; i < 4; ++i) {
      out[2 * i] = (static_cast<float>(static_cast<int32_t>(words[i] & 0xFFFF) - 32768) + 0.5F) * step;
      out[2 * i + 1] = (static_cast<float>(static_cast<int32_t>(words[i] >> 16) - 32768) + 0.5F) * step;
    }
  };
  const size_t whole = values.size() / 8;
  ensure(whole < UINT32_MAX, "a row has at most 2^35 numbers");
  for (size_t block = 0; block < whole; ++block)
    write(static_cast<uint32_t>(block), values.data() + 8 * block);
  std::array<float, 8> last;
  if (values.size() % 8 != 0) write(static_cast<uint32_t>(whole), last.data());
  std::copy_n(last.begin(), values.size() % 8, values.begin() + static_cast<std::ptrdiff_t>(8 * whole));
}

}  // namespace apportion
