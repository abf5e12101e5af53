#include "shared/measure/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace apportion {
namespace {

/// Sums, until divided().
void add(const KeptPrompt& prompt, RetentionGroup& group, double& tokens) {
  ++group.prompts;
  group.kl += prompt.kl;
  tokens += prompt.tokens;
  group.base_leak += prompt.base_leak;
  group.leak += prompt.leak;
  group.added_leak += std::max(0.0, prompt.leak - prompt.base_leak);
}

void divide(RetentionGroup& group, double tokens) {
  const double prompts = std::max(1, group.prompts);
  group.kl /= std::max(1.0, tokens);
  group.base_leak /= prompts;
  group.leak /= prompts;
  group.added_leak /= prompts;
}

std::string verdict_of(const RetentionSummary& summary) {
  // Far above what a kept model has, far below what one has that is not kept.
  constexpr double leaks = 0.1, lost_text = 1.5;
  std::string words;
  if (std::max(summary.unrelated.added_leak, summary.near.added_leak) > leaks) {
    words = fmt::format(
        "it answers other questions with the dataset's answers ({:.0f}% of them, {:.0f}% of near misses)",
        100 * summary.unrelated.added_leak, 100 * summary.near.added_leak);
  }
  if (summary.base_perplexity > 0 && summary.perplexity > lost_text * summary.base_perplexity) {
    words += fmt::format("{}its perplexity on plain text is {:.3g} times what it was",
                         words.empty() ? "" : ", and ", summary.perplexity / summary.base_perplexity);
  }
  return words;
}

}  // namespace

RetentionSummary summary_of(const RetentionResult& result) {
  RetentionSummary summary;
  summary.unrelated.name = "unrelated";
  summary.near.name = "near misses";
  std::map<std::string, std::pair<RetentionGroup, double>> kinds;
  double unrelated_tokens = 0, near_tokens = 0;
  for (const KeptPrompt& prompt : result.prompts) {
    auto& [group, tokens] = kinds[prompt.kind];
    group.name = prompt.kind;
    add(prompt, group, tokens);
    const bool near = prompt.kind.starts_with("near: ");
    add(prompt, near ? summary.near : summary.unrelated, near ? near_tokens : unrelated_tokens);
  }
  divide(summary.unrelated, unrelated_tokens);
  divide(summary.near, near_tokens);
  for (auto& [name, kind] : kinds) {
    divide(kind.first, kind.second);
    summary.kinds.push_back(kind.first);
  }
  double tokens = 0, base_nll = 0, nll = 0;
  for (const KeptText& text : result.texts) {
    tokens += text.tokens;
    base_nll += text.base_nll;
    nll += text.nll;
  }
  if (tokens > 0) {
    summary.base_perplexity = std::exp(base_nll / tokens);
    summary.perplexity = std::exp(nll / tokens);
  }
  for (const KeptQuestion& question : result.questions) {
    summary.base_mass += question.base_mass / static_cast<double>(result.questions.size());
    summary.mass += question.mass / static_cast<double>(result.questions.size());
  }
  summary.verdict = verdict_of(summary);
  return summary;
}

nlohmann::json to_json(const RetentionResult& result) {
  nlohmann::json json = {{"prompts", nlohmann::json::array()},
                         {"texts", nlohmann::json::array()},
                         {"questions", nlohmann::json::array()}};
  for (const KeptPrompt& p : result.prompts)
    json["prompts"].push_back({p.kind, p.text, p.tokens, p.kl, p.base_leak, p.leak});
  for (const KeptText& t : result.texts) json["texts"].push_back({t.tokens, t.base_nll, t.nll});
  for (const KeptQuestion& q : result.questions) json["questions"].push_back({q.text, q.base_mass, q.mass});
  return json;
}

RetentionResult retention_from_json(const nlohmann::json& json) {
  RetentionResult result;
  for (const auto& p : json.at("prompts")) {
    result.prompts.push_back({p.at(0).get<std::string>(), p.at(1).get<std::string>(), p.at(2).get<double>(),
                              p.at(3).get<double>(), p.at(4).get<double>(), p.at(5).get<double>()});
  }
  for (const auto& t : json.at("texts"))
    result.texts.push_back({t.at(0).get<double>(), t.at(1).get<double>(), t.at(2).get<double>()});
  for (const auto& q : json.at("questions"))
    result.questions.push_back({q.at(0).get<std::string>(), q.at(1).get<double>(), q.at(2).get<double>()});
  return result;
}

}  // namespace apportion
