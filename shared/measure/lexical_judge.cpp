#include "shared/measure/lexical_judge.h"

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

}  // namespace

LexicalJudge::LexicalJudge(const Dataset& dataset)
    : parser_(CategoryParser::of(dataset, Words::names_and_judge_words)) {}

nlohmann::json LexicalJudge::identity(const Dataset& dataset) {
  nlohmann::json words = nlohmann::json::array();
  if (dataset.attributes.empty()) words.push_back(words_of(dataset.categories));
  for (const Attribute& attribute : dataset.attributes) words.push_back(words_of(attribute.categories));
  nlohmann::json identity = {{"name", lexical_judge}, {"revision", rule_revision}, {"words", words}};
  if (has_unspaced(words.dump())) identity["ends"] = "by dictionary";  // see words.h
  return identity;
}

}  // namespace apportion
