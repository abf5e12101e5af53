#include "coordinator/judge/server_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/data/text_file.h"
#include "shared/measure/category.h"
#include "shared/measure/judge_question.h"

namespace apportion {
namespace {

constexpr const char* key_variable = "APPORTION_JUDGE_KEY";
constexpr double first_wait_s = 0.25, longest_wait_s = 60;

/// Removes white space, quotation marks, full stops, asterisks and backticks at both ends.
std::string bare(const std::string& answer) {
  constexpr const char* ends = " \t\r\n\"'.*`";
  const size_t begin = answer.find_first_not_of(ends);
  if (begin == std::string::npos) return "";
  return answer.substr(begin, answer.find_last_not_of(ends) - begin + 1);
}

bool is_hopeless(long status) { return status == 401 || status == 403 || status == 404; }

bool is_passing(const HttpReply& reply) {
  return reply.status == 0 || reply.status == 408 || reply.status == 429 || reply.status >= 500;
}

std::string reason_of(const HttpReply& reply) {
  if (reply.status == 0) return reply.problem;
  if (reply.status != 200) return fmt::format("HTTP status {}", reply.status);
  return "an answer that is not one of those allowed";
}

}  // namespace

ServerLine real_line() {
  return {post, [](double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }};
}

ServerJudge::ServerJudge(const JudgeConfig& config, std::string key, const Dataset& dataset,
                         const std::string& cache, ServerLine line)
    : config_(config),
      key_(std::move(key)),
      names_(names_for_judge(dataset)),
      cache_(cache),
      line_(std::move(line)) {}

nlohmann::json ServerJudge::identity(const JudgeConfig& config) {
  std::string name = config.model;  // it becomes part of paths in the index
  std::replace(name.begin(), name.end(), '/', '-');
  return {
      {"name", name}, {"revision", judge_question_revision}, {"url", config.name}, {"model", config.model}};
}

std::string ServerJudge::question(const std::string& story) const {
  const std::string text = judge_question(story, names_);
  const nlohmann::json request = {{"model", config_.model},
                                  {"temperature", 0},
                                  {"max_tokens", 32},
                                  {"messages", {{{"role", "user"}, {"content", text}}}}};
  // A story may hold bytes that are not UTF-8.
  return json_text(request);
}

int ServerJudge::category_of(const std::string& answer) const {
  const std::string folded = fold_case(bare(answer));
  if (folded == judge_says_none) return unparsed;
  for (size_t j = 0; j < names_.size(); ++j) {
    if (folded == fold_case(names_[j])) return static_cast<int>(j);
  }
  return judge_failed;
}

std::string ServerJudge::answer_in(const std::string& body) {
  const nlohmann::json reply = nlohmann::json::parse(body, nullptr, false);
  const nlohmann::json::json_pointer content("/choices/0/message/content");
  if (reply.is_discarded() || !reply.contains(content) || !reply.at(content).is_string()) return "";
  return reply.at(content).get<std::string>();
}

int ServerJudge::ask(const std::string& question) {
  const std::string url =
      config_.name.ends_with("/chat/completions") ? config_.name : config_.name + "/chat/completions";
  HttpReply reply;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (attempt > 0) {
      const double own = first_wait_s * (1 << (attempt - 1));
      line_.wait(std::clamp(reply.retry_after_s, own, std::max(own, longest_wait_s)));
    }
    reply = line_.post({url, question, key_, config_.timeout_s});
    if (is_hopeless(reply.status)) {
      throw UserError(
          fmt::format("{}: the judge answers with {}; is its address right, does it know {}, and is the "
                      "key in judge_key_file or {} a valid one?",
                      url, reason_of(reply), config_.model, key_variable));
    }
    if (reply.status != 200 && !is_passing(reply)) break;
    const std::string answer = reply.status == 200 ? answer_in(reply.body) : "";
    const int category = category_of(answer);
    if (category == judge_failed) continue;
    cache_.add(question, bare(answer));
    failures_ = 0;
    return category;
  }
  if (++failures_ == most_failures) {
    throw UserError(
        fmt::format("{}: {} judgements in a row have failed, the last with {}; what was judged is kept, "
                    "and the same command goes on from there",
                    url, most_failures, reason_of(reply)));
  }
  return judge_failed;
}

int ServerJudge::judge(const std::string& story) {
  const std::string asked = question(story);
  if (const std::optional<std::string> known = cache_.find(asked)) {
    const int category = category_of(*known);
    if (category != judge_failed) return category;
  }
  return ask(asked);
}

std::string judge_key(const JudgeConfig& config) {
  std::string key;
  std::string where;
  if (!config.key_file.empty()) {
    where = config.key_file;
    key = read_text(config.key_file);
    key.erase(key.find_last_not_of(" \t\r\n") + 1);
    key.erase(0, key.find_first_not_of(" \t\r\n"));
    if (key.empty())
      throw UserError(
          where + ": there is no key in it; it must hold the key for the judge's server and nothing else");
  } else if (const char* set = std::getenv(key_variable)) {
    where = key_variable;
    key = set;
  }
  const bool sendable = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!sendable) throw UserError(where + ": a key is one word of ASCII characters, and this is not");
  return key;
}

}  // namespace apportion
