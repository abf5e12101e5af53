// How a method puts a test's prompt: the wording alone, or with a sentence of ours behind it that states the
// target, names a category, or asks for probabilities. Wordings are example.h's, what an answer means
// shared/measure's.
#pragma once

#include <string>
#include <vector>

#include "shared/config/method.h"
#include "shared/data/example.h"

namespace apportion {

/// A user turn, and the share of a prompt's rounds that get it.
struct Turn {
  std::string text;
  double share;
};

/// The user turns by which `asking` puts the prompt; their shares add to 1. One, but for with_category: one
/// for each category with p_j > 0, of the share p_j. Throws UserError when the target is needed and unknown.
std::vector<Turn> turns_of(const Prompt& prompt, const Subject& subject,
                           const std::vector<Category>& categories, Asking asking);

/// One text that stands for the turns, for the record: with_category has "{category}" in the name's place.
std::string asked_text(const Prompt& prompt, const Subject& subject, const std::vector<Category>& categories,
                       Asking asking);

}  // namespace apportion
