// What training changed elsewhere: how far a trained model is from the untouched one on keep prompts, a plain
// text and easy questions. The worker computes this (retention_task.cpp); docs/retention.md explains the
// terms.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace apportion {

/// A keep prompt. `leak`: the exact probability that an answer begins with a steering token or is one of the
/// dataset's plain answers.
struct KeptPrompt {
  std::string kind, text;
  double tokens = 0;  // of the untouched model's own answer
  double kl = 0;      // KL(base || trained), summed over these tokens, nats
  double base_leak = 0, leak = 0;
};

/// A passage of plain text: negative log-likelihoods of all its tokens but the first, nats.
struct KeptText {
  double tokens = 0, base_nll = 0, nll = 0;
};

/// A question: the share of rounds whose first sentence has an accepted word.
struct KeptQuestion {
  std::string text;
  double base_mass = 0, mass = 0;
};

struct RetentionResult {
  std::vector<KeptPrompt> prompts;
  std::vector<KeptText> texts;
  std::vector<KeptQuestion> questions;
};

/// Prompts of one kind, or of several.
struct RetentionGroup {
  std::string name;
  int prompts = 0;
  double kl = 0;                   // per token
  double base_leak = 0, leak = 0;  // means
  double added_leak = 0;           // mean amount by which leak exceeds base_leak
};

struct RetentionSummary {
  RetentionGroup unrelated, near;
  std::vector<RetentionGroup> kinds;  // by name
  double base_perplexity = 0, perplexity = 0;
  double base_mass = 0, mass = 0;  // means over the questions
  /// Why this model should not be asked anything else, in words for people; empty when it may be.
  std::string verdict;
};
RetentionSummary summary_of(const RetentionResult& result);

nlohmann::json to_json(const RetentionResult& result);
/// Throws nlohmann::json::exception for anything that is not such a result.
RetentionResult retention_from_json(const nlohmann::json& json);

}  // namespace apportion
