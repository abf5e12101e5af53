// Verdicts of a judge that costs time or money, kept in the results folder by the content of the question:
// each question is asked only once, whichever task asks.
#pragma once

#include <fstream>
#include <map>
#include <optional>
#include <string>

namespace apportion {

/// DIR/judgements/<judge>.jsonl: a line of JSON for each verdict, {"question": SHA-256, "answer": text}.
/// Skips incomplete lines: a run may have ended while it wrote one.
class JudgementCache {
 public:
  /// Reads the existing file. Throws UserError when the file cannot be written.
  explicit JudgementCache(const std::string& path);

  std::optional<std::string> find(const std::string& question) const;
  /// Adds the answer and writes it to disk at once.
  void add(const std::string& question, const std::string& answer);
  /// Adds the answers that another such file has and this one lacks.
  void add_all(const std::string& path);

 private:
  void write(const std::string& key, const std::string& answer);

  std::string path_;
  std::map<std::string, std::string> answers_;  // by the question's SHA-256
  std::ofstream out_;
};

}  // namespace apportion
