#include "shared/data/question.h"

#include <fmt/format.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

const std::string& name_of_category(const Category& category) { return category.names.front(); }

void need_target(const Subject& subject, Asking asking) {
  if (!subject.target.empty()) return;
  throw UserError(fmt::format(
      "a prompt {} needs a target, and subject \"{}\" has none; fill its row in "
      "ood.csv, or leave ood out of test_sets",
      asking == Asking::with_target ? "that states the target" : "that names a draw from it", subject.name));
}

/// "90", "12.5": percent with tenths, as a person would write them.
std::string percent(double share) {
  const std::string text = fmt::format("{:.1f}", 100 * share);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

/// "A, B and C".
std::string listed(const std::vector<std::string>& parts) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const char* before = i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ";
    text += before + parts[i];
  }
  return text;
}

std::string state_target(const Subject& subject, const std::vector<Category>& categories) {
  std::vector<std::string> parts;
  for (size_t j = 0; j < categories.size(); ++j) {
    parts.push_back(percent(subject.target[j]) + "% of the answers are " + name_of_category(categories[j]));
  }
  return " Many people ask you this. Answer each so that, over all of them, " + listed(parts) + ".";
}

std::string name_category(const std::string& name) {
  return " This time the answer to give is: " + name + ".";
}

std::string ask_for_probabilities(const std::vector<Category>& categories) {
  std::vector<std::string> names;
  for (const Category& category : categories) names.push_back(name_of_category(category));
  return " Do not settle on one answer: write a list of all possible answers (" + listed(names) +
         "), one a line, each followed by a colon and its probability in percent.";
}

}  // namespace

std::vector<Turn> turns_of(const Prompt& prompt, const Subject& subject,
                           const std::vector<Category>& categories, Asking asking) {
  if (asking != Asking::with_category) return {{asked_text(prompt, subject, categories, asking), 1}};
  need_target(subject, asking);
  std::vector<Turn> turns;
  for (size_t j = 0; j < categories.size(); ++j) {
    if (subject.target[j] == 0) continue;
    turns.push_back({prompt.text + name_category(name_of_category(categories[j])), subject.target[j]});
  }
  return turns;
}

std::string asked_text(const Prompt& prompt, const Subject& subject, const std::vector<Category>& categories,
                       Asking asking) {
  switch (asking) {
    case Asking::plainly:
      return prompt.text;
    case Asking::with_target:
      need_target(subject, asking);
      return prompt.text + state_target(subject, categories);
    case Asking::with_category:
      need_target(subject, asking);
      return prompt.text + name_category("{category}");
    case Asking::for_probabilities:
      return prompt.text + ask_for_probabilities(categories);
  }
  throw InternalError("an unknown way of asking");
}

}  // namespace apportion
