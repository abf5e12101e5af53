#include "shared/measure/rounds.h"

#include <algorithm>

namespace apportion {

std::string path_text(const std::vector<int32_t>& tokens) {
  std::string text;
  for (int32_t token : tokens) text += '/' + std::to_string(token);
  return text;
}

SplitCounts split_rounds(uint64_t count, const float* probabilities, int64_t vocabulary, CounterRng rng) {
  double total = 0;
  for (int64_t token = 0; token < vocabulary; ++token) total += probabilities[token];
  std::vector<double> draws(count);
  for (double& draw : draws) draw = rng.uniform();
  std::sort(draws.begin(), draws.end());

  SplitCounts split;
  double below = 0;  // cumulative probability of the tokens before
  size_t next = 0;
  for (int64_t token = 0; token < vocabulary && next < draws.size(); ++token) {
    const double above = below + probabilities[token] / total;
    const size_t first = next;
    // The last token takes what rounding leaves above the sum.
    while (next < draws.size() && (draws[next] < above || token + 1 == vocabulary)) {
      if (draws[next] - below < draw_bound || above - draws[next] < draw_bound) ++split.near_boundary;
      ++next;
    }
    if (next > first) split.count_of_token[static_cast<int32_t>(token)] = next - first;
    below = above;
  }
  return split;
}

}  // namespace apportion
