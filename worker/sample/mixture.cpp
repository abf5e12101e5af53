#include "worker/sample/mixture.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/measure/rounds.h"

namespace apportion {

std::vector<MeasurePrompt> split_prompt(const MeasurePrompt& whole, const std::vector<double>& shares,
                                        const std::vector<std::vector<int32_t>>& tokens, uint64_t seed) {
  ensure(!shares.empty() && shares.size() == tokens.size(), "every part of a prompt has its tokens");
  std::vector<MeasurePrompt> parts(shares.size(), whole);
  for (size_t part = 0; part < parts.size(); ++part) parts[part].tokens = tokens[part];
  if (parts.size() == 1) return parts;
  const std::vector<float> probabilities(shares.begin(), shares.end());
  const SplitCounts split =
      split_rounds(whole.rounds, probabilities.data(), static_cast<int64_t>(probabilities.size()),
                   CounterRng(seed, "parts\n" + whole.draw_key));
  for (size_t part = 0; part < parts.size(); ++part) {
    const auto drawn = split.count_of_token.find(static_cast<int32_t>(part));
    parts[part].rounds = drawn == split.count_of_token.end() ? 0 : drawn->second;
    parts[part].draw_key += "part " + std::to_string(part) + '\n';
  }
  return parts;
}

PromptResult mix_results(std::vector<PromptResult> parts, const std::vector<double>& shares) {
  ensure(!parts.empty() && parts.size() == shares.size(), "every part of a prompt has a result");
  if (parts.size() == 1) return std::move(parts.front());
  PromptResult mixed = parts.front();
  std::fill(mixed.counts.begin(), mixed.counts.end(), 0);
  std::fill(mixed.steering.begin(), mixed.steering.end(), 0.0);
  std::fill(mixed.low.begin(), mixed.low.end(), 0.0);
  mixed.unexplored = 0;
  mixed.draws_near_boundary = 0;
  mixed.answers.clear();
  mixed.unlisted.clear();
  mixed.unlisted_answers = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    const PromptResult& one = parts[part];
    for (size_t i = 0; i < one.counts.size(); ++i) mixed.counts[i] += one.counts[i];
    for (size_t j = 0; j < one.low.size(); ++j) {
      mixed.steering[j] += shares[part] * one.steering[j];
      mixed.low[j] += shares[part] * one.low[j];
    }
    mixed.unlisted.resize(std::max(mixed.unlisted.size(), one.unlisted.size()), 0);
    for (size_t i = 0; i < one.unlisted.size(); ++i) mixed.unlisted[i] += one.unlisted[i];
    mixed.unlisted_answers += one.unlisted_answers;
    mixed.unexplored += shares[part] * one.unexplored;
    mixed.draws_near_boundary += one.draws_near_boundary;
    for (AnswerCount answer : one.answers) {
      answer.log_prob += std::log(shares[part]);
      mixed.answers.push_back(std::move(answer));
    }
  }
  mixed.unexplored = std::min(1.0, mixed.unexplored);
  std::stable_sort(mixed.answers.begin(), mixed.answers.end(),
                   [](const AnswerCount& a, const AnswerCount& b) {
                     return std::tie(b.count, a.text, a.log_prob) < std::tie(a.count, b.text, b.log_prob);
                   });
  return mixed;
}

}  // namespace apportion
