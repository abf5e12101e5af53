// A judge on an OpenAI-compatible server: what it is asked, which answers are allowed, when it is asked
// again. http.h sends the request.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/judge/http.h"
#include "coordinator/judge/judge.h"
#include "coordinator/judge/judgement_cache.h"
#include "shared/config/run_config.h"
#include "shared/data/dataset.h"

namespace apportion {

/// The connection to a server; tests replace it.
struct ServerLine {
  std::function<HttpReply(const HttpRequest&)> post;
  std::function<void(double seconds)> wait;
};
ServerLine real_line();

/// Asks for one of the categories' names or "none", at temperature 0. After no reply, 408, 429, a server
/// error or an answer that is not allowed it asks again, after 0.25, 0.5, 1 and 2 s or as long as the server
/// wants, at most a minute; then the judgement has failed. A reply that no other question would improve (401,
/// 403, 404) ends the job with one line, and so do `most_failures` failures in a row.
class ServerJudge : public Judge {
 public:
  static constexpr int attempts = 5, most_failures = 8;

  /// `key` may be empty. Keeps verdicts in the file `cache`.
  ServerJudge(const JudgeConfig& config, std::string key, const Dataset& dataset, const std::string& cache,
              ServerLine line = real_line());

  int judge(const std::string& story) override;

  /// What its verdicts depend on besides the story and the dataset, which is in the input's id.
  static nlohmann::json identity(const JudgeConfig& config);

 private:
  std::string question(const std::string& story) const;
  /// The category of an allowed answer; judge_failed for any other.
  int category_of(const std::string& answer) const;
  /// The answer in a reply's body, empty if there is none.
  static std::string answer_in(const std::string& body);
  int ask(const std::string& question);

  JudgeConfig config_;
  std::string key_;
  std::vector<std::string> names_;
  JudgementCache cache_;
  ServerLine line_;
  int failures_ = 0;  // in a row
};

/// The key from `judge_key_file`, else from the environment variable APPORTION_JUDGE_KEY, else none. Throws
/// UserError for a file without a key and for a text that cannot be sent as one; no error shows a key.
std::string judge_key(const JudgeConfig& config);

}  // namespace apportion
