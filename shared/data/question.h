// How a method puts a test's prompt: the wording alone, or followed by a sentence of ours that states the
// target, names a category, or asks for probabilities. example.h has the wordings; shared/measure says what
// an answer means.
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

/// The user turns with which `asking` puts the prompt; their shares add to 1. There is one turn, except for
/// with_category: one for each category with p_j > 0, with share p_j. Throws UserError when the target is
/// needed and unknown.
std::vector<Turn> turns_of(const Prompt& prompt, const Subject& subject,
                           const std::vector<Category>& categories, Asking asking);

/// One text for the record that stands for the turns: for with_category, "{category}" replaces the name.
std::string asked_text(const Prompt& prompt, const Subject& subject, const std::vector<Category>& categories,
                       Asking asking);

}  // namespace apportion
