#include "shared/measure/lexical_judge.h"

#include <algorithm>

#include "shared/config/method.h"
#include "shared/data/words.h"

namespace apportion {
namespace {

constexpr int rule_revision = 1;  // raised when the same words of a text give another category

nlohmann::json words_of(const std::vector<Category>& categories) {
  nlohmann::json words = nlohmann::json::array();
  for (const Category& category : categories) words.push_back({category.names, category.judge_words});
  return words;
}

/// The categories of each attribute; of a dataset without attributes its own.
std::vector<std::vector<Category>> told_apart(const Dataset& dataset) {
  if (dataset.attributes.empty()) return {dataset.categories};
  std::vector<std::vector<Category>> categories;
  for (const Attribute& attribute : dataset.attributes) categories.push_back(attribute.categories);
  return categories;
}

bool have_judge_words(const std::vector<Category>& categories) {
  return std::none_of(categories.begin(), categories.end(),
                      [](const Category& category) { return category.judge_words.empty(); });
}

}  // namespace

LexicalJudge::LexicalJudge(const Dataset& dataset)
    : parser_(CategoryParser::of(dataset, Words::names_and_judge_words)) {}

nlohmann::json LexicalJudge::identity(const Dataset& dataset) {
  nlohmann::json words = nlohmann::json::array();
  for (const std::vector<Category>& categories : told_apart(dataset)) words.push_back(words_of(categories));
  nlohmann::json identity = {{"name", lexical_judge}, {"revision", rule_revision}, {"words", words}};
  if (has_unspaced(words.dump())) identity["ends"] = "by dictionary";  // see words.h
  return identity;
}

PromptNames::PromptNames(const Dataset& dataset) : attributes_(dataset.attributes) {
  const std::vector<std::vector<Category>> all = told_apart(dataset);
  if (!std::all_of(all.begin(), all.end(), have_judge_words)) return;
  for (const std::vector<Category>& categories : all) {
    std::vector<CategoryParser>& names = names_.emplace_back();
    for (const Category& category : categories)
      names.emplace_back(std::vector<Category>{{{category.names.front()}}});
  }
}

bool PromptNames::are_in(std::string_view text, int category) const {
  std::vector<size_t> parts = parts_of(static_cast<size_t>(category), attributes_);
  if (parts.empty()) parts.push_back(static_cast<size_t>(category));
  for (size_t a = 0; a < names_.size(); ++a) {
    if (names_[a][parts[a]].parse(text) != unparsed) return true;
  }
  return false;
}

}  // namespace apportion
