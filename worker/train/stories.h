// Stories of the untouched model that training gives as answers to neutral story prompts, weighted so that
// their categories follow each subject's target. Which stories join a step is a function of the seed; where
// they come from is base_answers.h's business.
//   L_story = - 1/P sum over the step's P prompts, their stories s and tokens i of w_s a_i log p(y_i | before
//   it)
// with w_s = p_j / (the step's stories of category j) and a_i = 1 where the category is told, text_weight
// elsewhere. Stories of a prompt are paths of one tree: where they part, this is the KL of the shares of what
// follows without its constant.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/train/batch.h"

namespace apportion {

/// The beginning of a story up to where it tells its category: by the token at `told`.
struct ToldStory {
  std::vector<int32_t> tokens;
  size_t told;
};

/// Of one subject: its target, and the stories of each category with a share above 0; at least one of each.
struct SubjectStories {
  std::vector<double> target;
  std::vector<std::vector<ToldStory>> of_category;
};

/// A neutral prompt for a story about a subject, by index.
struct StoryAsked {
  std::vector<int32_t> prompt;
  int subject;
};

class Stories {
 public:
  /// `config.prompts` of `asked` join each step, in turns over their subjects, each with `config.stories`
  /// stories of every category.
  Stories(std::vector<SubjectStories> subjects, std::vector<StoryAsked> asked, const StoryConfig& config,
          uint64_t seed);

  /// The rows of a step, dealt to its micro-batches.
  std::vector<std::vector<StoryRow>> parts_of(int step, int micro_batches) const;
  /// Of the term, in units of the objective's largest weight.
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
