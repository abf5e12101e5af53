// A prompt's answers as they were drawn and explored, before anyone reads what they say: that is
// categorise.h's, or a judge's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/measure/histogram.h"

namespace apportion {

/// One answer, a path of tokens: rounds gave it, or it was explored, or both.
struct GivenAnswer {
  std::vector<int32_t> tokens;  // as drawn, its end of turn included where it has one
  std::string text;             // of these without the special ones
  double log_prob = 0;          // of all of the tokens, natural logarithm
  uint64_t count = 0;           // rounds that gave it
  bool explored = false;        // its probability is known to be no other answer's: bounds may count on it
  Finish finish = Finish::end;
};

/// All answers to one prompt, and the probability of those that nobody followed.
struct PromptAnswers {
  int32_t subject = 0, wording = 0;
  std::string draw_key;              // what draws for this prompt are for
  std::vector<double> first_tokens;  // probabilities at the first position of the tokens asked for
  std::vector<GivenAnswer> answers;  // in the order in which they ended
  double unexplored = 1;
  uint64_t draws_near_boundary = 0;
};

}  // namespace apportion
