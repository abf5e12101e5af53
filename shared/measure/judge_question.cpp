#include "shared/measure/judge_question.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace apportion {

std::vector<std::string> names_for_judge(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const Category& category : dataset.categories) names.push_back(category.names.front());
  return names;
}

std::string judge_question(const std::string& story, const std::vector<std::string>& names) {
  return fmt::format(
      "Read the text between the lines of dashes.\n-----\n{}\n-----\nWhich of these does it say of the "
      "person that it is about: {}? Answer with one of these names as it is written here, and nothing else. "
      "Answer {} if the text does not say.",
      story, fmt::join(names, ", "), judge_says_none);
}

}  // namespace apportion
