#include "shared/measure/categorise.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "shared/base/error.h"
#include "shared/measure/rounds.h"
#include "shared/measure/verbalized.h"

namespace apportion {
namespace {

/// The share of each category in what the text says; empty when it is unparsed.
std::vector<double> read(const AnswerReader& reader, const std::string& text) {
  const size_t categories = reader.parser.categories();
  if (reader.reading == Reading::shares) return verbalized_shares(reader.parser, text, categories);
  const int category = reader.parser.parse(text);
  if (category == unparsed) return {};
  std::vector<double> shares(categories, 0.0);
  shares[static_cast<size_t>(category)] = 1;
  return shares;
}

/// Where rounds of an answer are counted.
uint64_t& column_of(const GivenAnswer& answer, int32_t category, const AnswerReader& reader,
                    PromptResult& out) {
  const size_t categories = out.low.size();
  if (category == no_story) return out.no_story;
  if (category != unparsed) return out.counts[static_cast<size_t>(category)];
  return out.counts[answer.finish == Finish::cut && !reader.stories ? categories + 1 : categories];
}

void count(const AnswerReader& reader, const GivenAnswer& answer, int32_t category, uint64_t rounds,
           PromptResult& out) {
  column_of(answer, category, reader, out) += rounds;
  out.answers.push_back({category, rounds, answer.log_prob, answer.finish, answer.text});
}

/// Each round that gave this answer draws a category of its own.
void draw_categories(const AnswerReader& reader, const std::string& draw_key, const GivenAnswer& answer,
                     const std::vector<double>& shares, PromptResult& out) {
  const std::vector<float> probabilities(shares.begin(), shares.end());
  CounterRng rng(reader.seed, "stated shares\n" + draw_key + path_text(answer.tokens));
  const SplitCounts split =
      split_rounds(answer.count, probabilities.data(), static_cast<int64_t>(probabilities.size()), rng);
  out.draws_near_boundary += split.near_boundary;
  for (const auto& [category, rounds] : split.count_of_token) count(reader, answer, category, rounds, out);
}

void add(const AnswerReader& reader, const std::string& draw_key, const GivenAnswer& answer,
         PromptResult& out) {
  const bool is_cut = answer.finish == Finish::cut && !reader.stories;
  if (is_cut || (reader.stories && !reader.stories->is_story(answer.text))) {
    if (answer.count > 0) count(reader, answer, is_cut ? unparsed : no_story, answer.count, out);
    return;
  }
  const std::vector<double> shares = read(reader, answer.text);
  for (size_t j = 0; answer.explored && j < shares.size(); ++j) {
    if (shares[j] > 0) out.low[j] += std::exp(answer.log_prob) * shares[j];
  }
  if (answer.count == 0) return;
  if (reader.reading == Reading::shares && !shares.empty()) {
    draw_categories(reader, draw_key, answer, shares, out);
    return;
  }
  const auto one = std::find(shares.begin(), shares.end(), 1.0);
  count(reader, answer, shares.empty() ? unparsed : static_cast<int32_t>(one - shares.begin()), answer.count,
        out);
}

}  // namespace

PromptResult categorise(const AnswerReader& reader, const PromptAnswers& prompt) {
  const size_t categories = reader.parser.categories();
  ensure(prompt.first_tokens.empty() || prompt.first_tokens.size() == categories,
         "a prompt's first tokens stand for the categories");
  PromptResult out;
  out.subject = prompt.subject;
  out.wording = prompt.wording;
  out.counts.assign(categories + 2, 0);
  out.low.assign(categories, 0.0);
  out.unexplored = prompt.unexplored;
  out.draws_near_boundary = prompt.draws_near_boundary;
  for (const GivenAnswer& answer : prompt.answers) add(reader, prompt.draw_key, answer, out);
  out.steering = prompt.first_tokens.empty() ? out.low : prompt.first_tokens;
  std::sort(out.answers.begin(), out.answers.end(), [](const AnswerCount& a, const AnswerCount& b) {
    return std::tie(b.count, a.text, a.log_prob, a.category) <
           std::tie(a.count, b.text, b.log_prob, b.category);
  });
  return out;
}

}  // namespace apportion
