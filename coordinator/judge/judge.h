// Decides which category a story is about. judging.h uses the verdicts.
#pragma once

#include <string>

namespace apportion {

class Judge {
 public:
  virtual ~Judge() = default;

  /// Returns a category, `unparsed` if the story names none, or `judge_failed`: a judge never guesses. Throws
  /// UserError when it cannot judge at all.
  virtual int judge(const std::string& story) = 0;
};

}  // namespace apportion
