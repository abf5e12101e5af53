#include "coordinator/judge/judgement_cache.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {

namespace {

/// Answers by the question's SHA-256; skips incomplete lines.
std::map<std::string, std::string> answers_in(const std::string& path) {
  std::map<std::string, std::string> answers;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
    const bool whole = entry.is_object() && entry.contains("question") && entry["question"].is_string() &&
                       entry.contains("answer") && entry["answer"].is_string();
    if (whole) answers[entry["question"]] = entry["answer"];
  }
  return answers;
}

}  // namespace

JudgementCache::JudgementCache(const std::string& path) : path_(path) {
  make_directories(std::filesystem::path(path).parent_path().string());
  answers_ = answers_in(path);
  out_.open(path, std::ios::app);
  out_ << "\n";  // ends what may be half a line
  if (!out_.flush()) throw UserError(path + " cannot be written; judgements are kept there");
}

std::optional<std::string> JudgementCache::find(const std::string& question) const {
  const auto found = answers_.find(sha256(question));
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

void JudgementCache::add(const std::string& question, const std::string& answer) {
  write(sha256(question), answer);
}

void JudgementCache::add_all(const std::string& path) {
  for (const auto& [key, answer] : answers_in(path)) {
    if (!answers_.contains(key)) write(key, answer);
  }
}

void JudgementCache::write(const std::string& key, const std::string& answer) {
  answers_[key] = answer;
  out_ << nlohmann::json{{"question", key}, {"answer", answer}}.dump() << "\n";
  if (!out_.flush()) throw UserError(path_ + " cannot be written; is the disk full?");
}

}  // namespace apportion
