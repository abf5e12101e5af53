#include "worker/train/stories.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "shared/base/counter_rng.h"

namespace apportion {
namespace {

std::vector<int> subjects_in(const std::vector<StoryAsked>& asked) {
  std::vector<int> subjects;
  for (const StoryAsked& one : asked) subjects.push_back(one.subject);
  return subjects;
}

/// Draws `wanted` of `count` without replacement, or all.
std::vector<size_t> drawn(size_t count, size_t wanted, CounterRng rng) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = 0; i < std::min(wanted, count); ++i) std::swap(order[i], order[i + rng.below(count - i)]);
  order.resize(std::min(wanted, count));
  return order;
}

}  // namespace

Stories::Stories(std::vector<SubjectStories> subjects, std::vector<StoryAsked> asked,
                 const StoryConfig& config, uint64_t seed)
    : subjects_(std::move(subjects)),
      asked_(std::move(asked)),
      config_(config),
      seed_(seed),
      schedule_(subjects_in(asked_), config.prompts, seed) {}

StoryRow Stories::row_of(int asked, int step) const {
  const StoryAsked& one = asked_[static_cast<size_t>(asked)];
  const SubjectStories& subject = subjects_[static_cast<size_t>(one.subject)];
  StoryRow row{one.prompt, {}};
  for (size_t category = 0; category < subject.of_category.size(); ++category) {
    const std::vector<ToldStory>& stories = subject.of_category[category];
    const std::string key =
        "stories " + std::to_string(step) + " " + std::to_string(asked) + " " + std::to_string(category);
    const auto taken = drawn(stories.size(), static_cast<size_t>(config_.stories), CounterRng(seed_, key));
    for (size_t index : taken) {
      const ToldStory& story = stories[index];
      StoryRow::Path& path = row.paths.emplace_back();
      path.tokens = story.tokens;
      const double share = subject.target[category] / static_cast<double>(taken.size());
      path.weights.assign(story.tokens.size(), share * config_.text_weight);
      path.weights[story.told] = share;
    }
  }
  return row;
}

std::vector<std::vector<StoryRow>> Stories::parts_of(int step, int micro_batches) const {
  const std::vector<int>& asked = schedule_.batch(schedule_.batch_of_step(step));
  std::vector<std::vector<StoryRow>> parts(static_cast<size_t>(micro_batches));
  for (size_t i = 0; i < asked.size(); ++i) {
    StoryRow row = row_of(asked[i], step);
    for (StoryRow::Path& path : row.paths) {
      for (double& weight : path.weights) weight /= static_cast<double>(asked.size());
    }
    parts[i * parts.size() / asked.size()].push_back(std::move(row));
  }
  return parts;
}

}  // namespace apportion
