// Independent rounds of one prompt, drawn down the tree: a node's count is split over its next tokens as
// independent draws would split it, by our own inversion. docs/architecture.md, "The same bytes at any number
// of ranks", says how draws are keyed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/base/counter_rng.h"

namespace apportion {

/// A draw closer than this to a boundary of its inversion could fall on the other side if probabilities were
/// rounded differently; such draws are counted.
inline constexpr double draw_bound = 1e-6;

struct SplitCounts {
  std::map<int32_t, uint64_t> count_of_token;  // only those with a count
  uint64_t near_boundary = 0;
};

/// A path of tokens as text for the key of its draws.
std::string path_text(const std::vector<int32_t>& tokens);

/// Up to this many rounds are drawn one by one. More are halved again and again: the vocabulary's first half
/// takes a binomial number of them, and so on down to single tokens; the cost grows with the tokens that get
/// any.
inline constexpr uint64_t most_single_draws = 4096;

/// Splits `count` rounds at a node by Multinomial(count, probabilities). `probabilities` are V float32 values
/// that add to about 1 (they are normalised by their sum in double, in the order of tokens).
SplitCounts split_rounds(uint64_t count, const float* probabilities, int64_t vocabulary, CounterRng rng);

}  // namespace apportion
