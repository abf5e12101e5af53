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
    : parser_(CategoryParser::of(dataset, Words::names_and_judge_words)) {
  const std::vector<std::vector<Category>> all = told_apart(dataset);
  if (!std::all_of(all.begin(), all.end(), have_judge_words)) return;
  for (std::vector<Category> categories : all) {
    for (Category& category : categories) category.names.resize(1);
    names_.emplace_back(categories);
  }
}

bool LexicalJudge::tells_by_name(std::string_view text) const {
  return std::any_of(names_.begin(), names_.end(),
                     [&](const CategoryParser& names) { return names.parse(text) != unparsed; });
}

nlohmann::json LexicalJudge::identity(const Dataset& dataset) {
  nlohmann::json words = nlohmann::json::array();
  if (dataset.attributes.empty()) words.push_back(words_of(dataset.categories));
  for (const Attribute& attribute : dataset.attributes) words.push_back(words_of(attribute.categories));
  nlohmann::json identity = {{"name", lexical_judge}, {"revision", rule_revision}, {"words", words}};
  if (has_unspaced(words.dump())) identity["ends"] = "by dictionary";  // see words.h
  return identity;
}

}  // namespace apportion
