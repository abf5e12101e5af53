// How products of queries and keys become attention scores.
#pragma once

namespace apportion {

/// scale q k; with a cap that is not 0, cap tanh(scale q k / cap) (Gemma 2, arXiv 2408.00118, section 2).
struct ScoreRule {
  double scale, cap = 0;
};

}  // namespace apportion
