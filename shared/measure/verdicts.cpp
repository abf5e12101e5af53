#include "shared/measure/verdicts.h"

#include <fmt/format.h>

#include <map>
#include <numeric>
#include <set>

#include "shared/base/error.h"
#include "shared/measure/category.h"

namespace apportion {
namespace {

/// Rounds of unlisted stories: nobody can read them, so their judgement fails.
void fail_unlisted(PromptResult& prompt) {
  if (prompt.unlisted.empty()) return;
  const size_t categories = prompt.counts.size() - 2;
  const uint64_t all = std::accumulate(prompt.unlisted.begin(), prompt.unlisted.end(), uint64_t{0});
  const uint64_t none = prompt.unlisted[categories + 2];
  prompt.unlisted.assign(categories + 4, 0);
  prompt.unlisted[categories + 2] = none;
  prompt.unlisted[categories + 3] = all - none;
  prompt.no_story += none;
  prompt.judge_failed += all - none;
}

}  // namespace

std::vector<std::string> stories_to_judge(const MeasureResult& measured) {
  std::set<std::string> texts;
  for (const PromptResult& prompt : measured.prompts) {
    for (const AnswerCount& answer : prompt.answers) {
      if (answer.category != no_story) texts.insert(answer.text);
    }
  }
  return {texts.begin(), texts.end()};
}

MeasureResult with_verdicts(MeasureResult measured, const std::vector<int>& verdicts) {
  const std::vector<std::string> stories = stories_to_judge(measured);
  ensure(stories.size() == verdicts.size(), "a judge gives each story a verdict");
  std::map<std::string, int> verdict_of;
  for (size_t i = 0; i < stories.size(); ++i) verdict_of[stories[i]] = verdicts[i];
  for (PromptResult& prompt : measured.prompts) {
    const size_t categories = prompt.counts.size() - 2;
    prompt.counts.assign(categories + 2, 0);
    prompt.no_story = 0;
    prompt.low.assign(categories, 0.0);
    prompt.unexplored = 1;
    for (AnswerCount& answer : prompt.answers) {
      if (answer.category != no_story) answer.category = verdict_of.at(answer.text);
      rounds_in(prompt, column_of(answer, categories, true)) += answer.count;
    }
    fail_unlisted(prompt);
  }
  return measured;
}

std::string failed_verdicts_notice(const MeasureResult& judged) {
  uint64_t failed = 0;
  for (const PromptResult& prompt : judged.prompts) failed += prompt.judge_failed;
  if (failed == 0) return "";
  return fmt::format("the judgement of {} rounds failed, or their story is not listed; they count as failed",
                     failed);
}

}  // namespace apportion
