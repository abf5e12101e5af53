#include "shared/measure/rounds.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "shared/statistics/binomial.h"

namespace apportion {
namespace {

/// Halves ranges of tokens until each is one token or has no rounds.
class Halving {
 public:
  Halving(const float* probabilities, int64_t vocabulary, CounterRng rng)
      : below_(static_cast<size_t>(vocabulary) + 1, 0.0), rng_(rng) {
    for (size_t token = 0; token + 1 < below_.size(); ++token) {
      below_[token + 1] = below_[token] + probabilities[token];
    }
  }

  SplitCounts split(uint64_t count) {
    halve(0, below_.size() - 1, count);
    return std::move(out_);
  }

 private:
  void halve(size_t first, size_t last, uint64_t count) {
    if (count == 0) return;
    if (last - first == 1) {
      out_.count_of_token[static_cast<int32_t>(first)] = count;
      return;
    }
    const size_t middle = std::midpoint(first, last);
    const double left = below_[middle] - below_[first], right = below_[last] - below_[middle];
    // A half without probability gets none, and nothing is drawn for it.
    uint64_t in_left = right > 0 ? 0 : count;
    if (left > 0 && right > 0) {
      const double bound = draw_bound * below_.back() / (left + right);
      const BinomialDraw draw = draw_binomial(count, left, right, bound, rng_.uniform());
      in_left = draw.successes;
      out_.near_boundary += draw.near_boundary ? 1 : 0;
    }
    halve(first, middle, in_left);
    halve(middle, last, count - in_left);
  }

  std::vector<double> below_;  // cumulative probability of earlier tokens
  CounterRng rng_;
  SplitCounts out_;
};

}  // namespace

std::string path_text(const std::vector<int32_t>& tokens) {
  std::string text;
  for (int32_t token : tokens) text += '/' + std::to_string(token);
  return text;
}

SplitCounts split_rounds(uint64_t count, const float* probabilities, int64_t vocabulary, CounterRng rng) {
  if (count > most_single_draws) return Halving(probabilities, vocabulary, rng).split(count);
  double total = 0;
  for (int64_t token = 0; token < vocabulary; ++token) total += probabilities[token];
  std::vector<double> draws(count);
  for (double& draw : draws) draw = rng.uniform();
  std::sort(draws.begin(), draws.end());

  SplitCounts split;
  double below = 0;  // cumulative probability of earlier tokens
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
