#include "shared/measure/histogram.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "shared/base/error.h"
#include "shared/measure/category.h"

namespace apportion {

size_t listed_per_wording(int wordings) {
  ensure(wordings > 0, "a subject is asked in at least one wording");
  const auto parts = static_cast<uint64_t>(wordings);
  return (most_listed + parts - 1) / parts;
}

size_t column_of(const AnswerCount& answer, size_t categories, bool stories) {
  if (answer.category == no_story) return categories + 2;
  if (answer.category == judge_failed) return categories + 3;
  if (answer.category != unparsed) return static_cast<size_t>(answer.category);
  return answer.finish == Finish::cut && !stories ? categories + 1 : categories;
}

uint64_t& rounds_in(PromptResult& prompt, size_t column) {
  if (column < prompt.counts.size()) return prompt.counts[column];
  return column == prompt.counts.size() ? prompt.no_story : prompt.judge_failed;
}

void keep_most_frequent(PromptResult& prompt, size_t most, bool stories) {
  std::vector<AnswerCount>& answers = prompt.answers;
  if (answers.size() <= most) return;
  std::vector<size_t> order(answers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto cut = order.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(order.begin(), cut, order.end(), [&](size_t i, size_t j) {
    const AnswerCount &a = answers[i], &b = answers[j];
    return std::tie(b.count, b.log_prob, a.text, a.category) <
           std::tie(a.count, a.log_prob, b.text, b.category);
  });
  prompt.unlisted.resize(prompt.counts.size() + 2, 0);
  std::vector<bool> leaves(answers.size(), false);
  for (auto place = cut; place != order.end(); ++place) {
    const AnswerCount& answer = answers[*place];
    prompt.unlisted[column_of(answer, prompt.counts.size() - 2, stories)] += answer.count;
    ++prompt.unlisted_answers;
    leaves[*place] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (leaves[i]) continue;
    if (kept != i) answers[kept] = std::move(answers[i]);
    ++kept;
  }
  answers.resize(kept);
}

std::vector<uint64_t> rounds_per_wording(uint64_t rounds, int wordings) {
  ensure(wordings > 0, "rounds are spread over at least one wording");
  const uint64_t parts = static_cast<uint64_t>(wordings);
  std::vector<uint64_t> counts(parts, rounds / parts);
  for (uint64_t i = 0; i < rounds % parts; ++i) ++counts[i];
  return counts;
}

uint64_t rounds_of(const PromptResult& prompt) {
  return std::accumulate(prompt.counts.begin(), prompt.counts.end(), prompt.no_story + prompt.judge_failed);
}

}  // namespace apportion
