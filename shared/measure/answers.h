// A prompt's answers as drawn and explored, before anyone reads what they say: categorise.h does that, or a
// judge.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/measure/histogram.h"

namespace apportion {

/// One answer, a path of tokens: given by rounds, or explored, or both.
struct GivenAnswer {
  std::vector<int32_t> tokens;  // as drawn, with the end of turn if it has one
  std::string text;             // of these, without special tokens
  double log_prob = 0;          // of all the tokens, natural logarithm
  uint64_t count = 0;           // rounds that gave it
  bool explored = false;        // its probability is known to be no other answer's, so bounds may count on it
  Finish finish = Finish::end;
};

/// All answers to one prompt, and the probability left unexplored.
struct PromptAnswers {
  int32_t subject = 0, wording = 0;
  std::string draw_key;              // says what the draws for this prompt are for
  std::vector<double> first_tokens;  // probabilities of the requested tokens at the first position
  std::vector<GivenAnswer> answers;  // in the order they ended
  double unexplored = 1;
  uint64_t draws_near_boundary = 0;
};

}  // namespace apportion
