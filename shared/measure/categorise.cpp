#include "shared/measure/categorise.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "shared/measure/rounds.h"
#include "shared/measure/verbalized.h"

namespace apportion {
namespace {

/// Each category's share in what the text says; empty when unparsed.
std::vector<double> read(const AnswerReader& reader, const std::string& text) {
  const size_t categories = reader.parser.categories();
  if (reader.reading == Reading::shares) return verbalized_shares(reader.parser, text, categories);
  const int category = reader.parser.parse(text);
  if (category == unparsed) return {};
  std::vector<double> shares(categories, 0.0);
  shares[static_cast<size_t>(category)] = 1;
  return shares;
}

}  // namespace

Categoriser::Categoriser(const AnswerReader& reader, std::string draw_key)
    : reader_(&reader), draw_key_(std::move(draw_key)) {
  out_.counts.assign(reader.parser.categories() + 2, 0);
  out_.low.assign(reader.parser.categories(), 0.0);
}

void Categoriser::count(const GivenAnswer& answer, int32_t category, uint64_t rounds) {
  const bool stories = reader_->stories != nullptr;
  out_.answers.push_back({category, rounds, answer.log_prob, answer.finish, answer.text});
  rounds_in(out_, column_of(out_.answers.back(), out_.low.size(), stories)) += rounds;
  if (out_.answers.size() / 2 > reader_->most_listed) {
    keep_most_frequent(out_, reader_->most_listed, stories);
  }
}

/// Draws a category for each round that gave this answer.
void Categoriser::draw_categories(const GivenAnswer& answer, const std::vector<double>& shares) {
  const std::vector<float> probabilities(shares.begin(), shares.end());
  CounterRng rng(reader_->seed, "stated shares\n" + draw_key_ + path_text(answer.tokens));
  const SplitCounts split =
      split_rounds(answer.count, probabilities.data(), static_cast<int64_t>(probabilities.size()), rng);
  out_.draws_near_boundary += split.near_boundary;
  for (const auto& [category, rounds] : split.count_of_token) count(answer, category, rounds);
}

void Categoriser::add(const GivenAnswer& answer) {
  const StoryRule* stories = reader_->stories;
  const bool is_cut = answer.finish == Finish::cut && !stories;
  if (is_cut || (stories && !stories->is_story(answer.text))) {
    if (answer.count > 0) count(answer, is_cut ? unparsed : no_story, answer.count);
    return;
  }
  const std::vector<double> shares = read(*reader_, answer.text);
  for (size_t j = 0; answer.explored && j < shares.size(); ++j) {
    if (shares[j] > 0) out_.low[j] += std::exp(answer.log_prob) * shares[j];
  }
  if (answer.count == 0) return;
  if (reader_->reading == Reading::shares && !shares.empty()) {
    draw_categories(answer, shares);
    return;
  }
  const auto one = std::find(shares.begin(), shares.end(), 1.0);
  count(answer, shares.empty() ? unparsed : static_cast<int32_t>(one - shares.begin()), answer.count);
}

PromptResult Categoriser::take(const PromptAnswers& about) {
  ensure(about.first_tokens.empty() || about.first_tokens.size() == out_.low.size(),
         "a prompt's first tokens stand for the categories");
  out_.subject = about.subject;
  out_.wording = about.wording;
  out_.unexplored = about.unexplored;
  out_.draws_near_boundary += about.draws_near_boundary;
  out_.steering = about.first_tokens.empty() ? out_.low : about.first_tokens;
  keep_most_frequent(out_, reader_->most_listed, reader_->stories != nullptr);
  std::sort(out_.answers.begin(), out_.answers.end(), [](const AnswerCount& a, const AnswerCount& b) {
    return std::tie(b.count, a.text, a.log_prob, a.category) <
           std::tie(a.count, b.text, b.log_prob, b.category);
  });
  return std::move(out_);
}

PromptResult categorise(const AnswerReader& reader, const PromptAnswers& prompt) {
  Categoriser categoriser(reader, prompt.draw_key);
  for (const GivenAnswer& answer : prompt.answers) categoriser.add(answer);
  return categoriser.take(prompt);
}

}  // namespace apportion
