// From a prompt's answers to its histogram and exact shares: reads in each text the category that it names,
// or the shares that it states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "shared/measure/answers.h"
#include "shared/measure/category.h"
#include "shared/measure/histogram.h"
#include "shared/measure/story.h"

namespace apportion {

/// What an answer's text says: the category it names, or shares of all categories, from which each round
/// draws one.
enum class Reading { category, shares };

/// How answers are read. `seed` is for drawing from stated shares. With `stories` only stories count.
struct AnswerReader {
  const CategoryParser& parser;
  Reading reading = Reading::category;
  uint64_t seed = 0;
  const StoryRule* stories = nullptr;
  size_t most_listed = std::numeric_limits<size_t>::max();  // listed answers per prompt
};

/// Reads a prompt's answers as they come, with memory for about twice those that are listed. Cut answers are
/// never read, except as stories: one that is long enough is a story without its end.
class Categoriser {
 public:
  /// `reader` must outlive it.
  Categoriser(const AnswerReader& reader, std::string draw_key);
  void add(const GivenAnswer& answer);
  /// What is known of the prompt besides its answers, with the answers that were added; call it once.
  PromptResult take(const PromptAnswers& about);

 private:
  void count(const GivenAnswer& answer, int32_t category, uint64_t rounds);
  void draw_categories(const GivenAnswer& answer, const std::vector<double>& shares);

  const AnswerReader* reader_;
  std::string draw_key_;
  PromptResult out_;
};

/// All of them at once. If no first tokens were requested, the explored answers that name a category stand
/// for the steering tokens.
PromptResult categorise(const AnswerReader& reader, const PromptAnswers& prompt);

}  // namespace apportion
