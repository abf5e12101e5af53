// Prompts for a story (`answers = self`): neutral ones, which the untouched model is asked first and which
// are trained on, and versions of each that name a category, for those that it rarely tells. They are the
// lines of a dataset's [stories]; docs/datasets.md has the format. shared/measure judges what comes back.
#pragma once

#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"

namespace apportion {

/// The user turns of a line of [stories] for one subject: the neutral one, and one for each category.
struct StoryPrompt {
  int subject;
  int wording;
  std::string neutral;
  std::vector<std::string> named;  // [K]
};

/// The two halves of a line "NEUTRAL | NAMED".
struct StoryWording {
  std::string neutral, named;
};
StoryWording story_wording(const std::string& line);

/// Prompts for the first `data.subjects` subjects, ordered by subject, then wording. Throws UserError when
/// the dataset has none.
std::vector<StoryPrompt> story_prompts(const Dataset& dataset, const DataConfig& data);

/// SHA-256 of the turns.
std::string digest_of(const std::vector<StoryPrompt>& prompts);

}  // namespace apportion
