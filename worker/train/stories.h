// The untouched model's stories, which training takes as answers to neutral story prompts, weighted so that
// their categories follow each subject's target. The seed decides which stories join a step; base_answers.h
// is where they come from.
//   L_story = - 1/P sum over the step's P prompts, their stories s and tokens i of w_s a_i log p(y_i | before
//   it)
// with w_s = p_j / (the step's stories of category j) and a_i = 1 where the category is told, text_weight
// elsewhere. Stories of a prompt are paths of one tree: where they diverge, this is, up to a constant, the KL
// of the shares of their continuations.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/train/batch.h"

namespace apportion {

/// The beginning of a story; the token at `told` tells its category.
struct ToldStory {
  std::vector<int32_t> tokens;
  size_t told;
};

/// One subject's target, and its stories of each category with a share above 0, at least one each.
struct SubjectStories {
  std::vector<double> target;
  std::vector<std::vector<ToldStory>> of_category;
};

/// A neutral prompt for a story about a subject (its index).
struct StoryAsked {
  std::vector<int32_t> prompt;
  int subject;
};

class Stories {
 public:
  /// `config.prompts` of `asked` join each step, taking turns over their subjects, each with `config.stories`
  /// stories of every category.
  Stories(std::vector<SubjectStories> subjects, std::vector<StoryAsked> asked, const StoryConfig& config,
          uint64_t seed);

  /// A step's rows, dealt to its micro-batches.
  std::vector<std::vector<StoryRow>> parts_of(int step, int micro_batches) const;
  /// The term's weight, in units of the objective's largest weight.
  double weight() const { return config_.weight; }

 private:
  StoryRow row_of(int asked, int step) const;

  std::vector<SubjectStories> subjects_;
  std::vector<StoryAsked> asked_;
  StoryConfig config_;
  uint64_t seed_;
  BatchSchedule schedule_;
};

}  // namespace apportion
