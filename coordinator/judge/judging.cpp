#include "coordinator/judge/judging.h"

#include <fmt/format.h>

#include <map>
#include <numeric>
#include <set>

#include "coordinator/judge/server_judge.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/measure/category.h"
#include "shared/measure/lexical_judge.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

class WordJudge : public Judge {
 public:
  explicit WordJudge(const Dataset& dataset) : judge_(dataset) {}
  int judge(const std::string& story) override { return judge_.judge(story); }

 private:
  LexicalJudge judge_;
};

std::unique_ptr<Judge> judge_for(const Task& task, const RunConfig& config, const Dataset& dataset,
                                 const std::function<void()>& interrupted) {
  const nlohmann::json& identity = task.identity.at("judge");
  if (judge_name(task) == lexical_judge) return std::make_unique<WordJudge>(dataset);
  const std::string cache = config.output.directory + "/judgements/" + sha256(identity.dump()) + ".jsonl";
  ServerLine line = real_line();
  line.post = [interrupted, send = line.post](const HttpRequest& request) {
    interrupted();
    return send(request);
  };
  return std::make_unique<ServerJudge>(config.judge, judge_key(config.judge), dataset, cache,
                                       std::move(line));
}

/// Rounds of stories that are not listed: nobody can read them, so their judgement fails.
void fail_unlisted(PromptResult& prompt) {
  if (prompt.unlisted.empty()) return;
  const size_t categories = prompt.counts.size() - 2;
  const uint64_t all = std::accumulate(prompt.unlisted.begin(), prompt.unlisted.end(), uint64_t{0});
  const uint64_t none = prompt.unlisted[categories + 2];
  prompt.unlisted.assign(categories + 4, 0);
  prompt.unlisted[categories + 2] = none;
  prompt.unlisted[categories + 3] = all - none;
  prompt.no_story += none;
  prompt.judge_failed += all - none;
}

}  // namespace

std::vector<nlohmann::json> judges_of(const RunConfig& config, const Dataset& dataset) {
  std::vector<nlohmann::json> judges = {LexicalJudge::identity(dataset)};
  if (config.judge.name != lexical_judge) judges.push_back(ServerJudge::identity(config.judge));
  return judges;
}

MeasureResult judged(MeasureResult measured, Judge& judge,
                     const std::function<void(size_t done, size_t all)>& told) {
  std::set<std::string> texts;
  for (const PromptResult& prompt : measured.prompts) {
    for (const AnswerCount& answer : prompt.answers) {
      if (answer.category != no_story) texts.insert(answer.text);
    }
  }
  std::map<std::string, int> verdicts;
  for (const std::string& text : texts) {
    verdicts[text] = judge.judge(text);
    told(verdicts.size(), texts.size());
  }
  for (PromptResult& prompt : measured.prompts) {
    const size_t categories = prompt.counts.size() - 2;
    prompt.counts.assign(categories + 2, 0);
    prompt.no_story = 0;
    prompt.low.assign(categories, 0.0);
    prompt.unexplored = 1;
    for (AnswerCount& answer : prompt.answers) {
      if (answer.category != no_story) answer.category = verdicts.at(answer.text);
      rounds_in(prompt, column_of(answer, categories, true)) += answer.count;
    }
    fail_unlisted(prompt);
  }
  return measured;
}

void run_judge_task(const Task& task, const RunConfig& config, const Dataset& dataset,
                    const Recorder& recorder, Status& status, const std::function<void()>& interrupted) {
  constexpr double period_s = 5;
  const double started = seconds_now();
  double shown = started;
  MeasureFile file = read_measure_file(result_path(config.output.directory, task.inputs.front()));
  const std::unique_ptr<Judge> judge = judge_for(task, config, dataset, interrupted);
  file.result = judged(std::move(file.result), *judge, [&](size_t done, size_t all) {
    interrupted();
    if (seconds_now() - shown < period_s) return;
    shown = seconds_now();
    status.line(fmt::format("{}: {} of {} stories judged", task.label, done, all));
  });
  uint64_t failed = 0;
  for (const PromptResult& prompt : file.result.prompts) failed += prompt.judge_failed;
  if (failed > 0) {
    status.warn(fmt::format(
        "{}: the judgement of {} rounds has failed, or their story is not listed; they are counted so",
        task.label, failed));
  }
  recorder.record(task, std::move(file), seconds_now() - started);
}

}  // namespace apportion
