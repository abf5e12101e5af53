// From a prompt's answers to its histogram and exact shares: each text is read for the category that it
// names, or for the shares that it states.
#pragma once

#include <cstdint>

#include "shared/measure/answers.h"
#include "shared/measure/category.h"
#include "shared/measure/histogram.h"
#include "shared/measure/story.h"

namespace apportion {

/// What an answer's text says: the category that it names, or shares of all of them, of which a round draws
/// one.
enum class Reading { category, shares };

/// How answers are read. `seed` is of the draws of stated shares. With `stories` only stories count.
struct AnswerReader {
  const CategoryParser& parser;
  Reading reading = Reading::category;
  uint64_t seed = 0;
  const StoryRule* stories = nullptr;
};

/// Cut answers are never read, but for stories: one that is long enough is a story without its end. Where no
/// first tokens were asked for, the explored answers that name a category stand for the steering tokens.
PromptResult categorise(const AnswerReader& reader, const PromptAnswers& prompt);

}  // namespace apportion
