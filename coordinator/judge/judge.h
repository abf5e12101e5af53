// Who tells which category a story is about. What is done with the verdicts is judging.h's.
#pragma once

#include <string>

namespace apportion {

class Judge {
 public:
  virtual ~Judge() = default;

  /// A category, `unparsed` where the story says none, or `judge_failed`: a judge never guesses. Throws
  /// UserError when it cannot judge at all.
  virtual int judge(const std::string& story) = 0;
};

}  // namespace apportion
