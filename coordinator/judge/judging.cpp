#include "coordinator/judge/judging.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "coordinator/judge/server_judge.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/measure/judge_question.h"
#include "shared/measure/lexical_judge.h"
#include "shared/measure/verdicts.h"
#include "shared/model_files/shape_text.h"
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

/// For a model that runs here: its verdicts do not depend on where it lies, but do depend on the type that it
/// computes in.
nlohmann::json identity_of_local(const RunConfig& config, const PlanInput& input) {
  const std::string& model = config.judge.model;
  if (is_shape_text(model)) {
    throw UserError("judge_model = " + model +
                    ": a shape has synthetic weights and cannot judge; give a GGUF file");
  }
  const std::string name = model.empty() ? local_judge : std::filesystem::path(model).stem().string();
  return {{"name", name},
          {"revision", judge_question_revision},
          {"model", model.empty() ? input.model_digest : input.judge_model_digest},
          {"base_type", config.value("base_type")},
          {"compute_type", input.measure_compute_type}};
}

std::unique_ptr<Judge> judge_for(const Task& task, const RunConfig& config, const Dataset& dataset,
                                 const std::function<void()>& interrupted) {
  const nlohmann::json identity = task.identity.at("judge");
  if (judge_name(task) == lexical_judge) return std::make_unique<WordJudge>(dataset);
  const std::string cache = config.output.directory + "/judgements/" + sha256(identity.dump()) + ".jsonl";
  ServerLine line = real_line();
  line.post = [interrupted, send = line.post](const HttpRequest& request) {
    interrupted();
    return send(request);
  };
  line.wait = [interrupted, wait = line.wait](double seconds) {
    constexpr double look_s = 1;
    for (; seconds > 0; seconds -= look_s) {
      interrupted();
      wait(std::min(seconds, look_s));
    }
  };
  return std::make_unique<ServerJudge>(config.judge, judge_key(config.judge), dataset, cache,
                                       std::move(line));
}

}  // namespace

std::vector<nlohmann::json> judges_of(const RunConfig& config, const Dataset& dataset,
                                      const PlanInput& input) {
  std::vector<nlohmann::json> judges = {LexicalJudge::identity(dataset)};
  if (config.judge.name == local_judge)
    judges.push_back(identity_of_local(config, input));
  else if (config.judge.name != lexical_judge)
    judges.push_back(ServerJudge::identity(config.judge));
  return judges;
}

MeasureResult judged(MeasureResult measured, Judge& judge,
                     const std::function<void(size_t done, size_t all)>& told) {
  const std::vector<std::string> stories = stories_to_judge(measured);
  std::vector<int> verdicts;
  for (const std::string& story : stories) {
    verdicts.push_back(judge.judge(story));
    told(verdicts.size(), stories.size());
  }
  return with_verdicts(std::move(measured), verdicts);
}

void run_judge_task(const Task& task, const RunConfig& config, const Dataset& dataset,
                    const Recorder& recorder, Status& status, const std::function<void()>& interrupted,
                    const Confirm& confirm) {
  constexpr double period_s = 5;
  const double started = seconds_now();
  double shown = started;
  MeasureFile file = recorder.measured_for(task);
  const std::unique_ptr<Judge> judge = judge_for(task, config, dataset, interrupted);
  file.result = judged(std::move(file.result), *judge, [&](size_t done, size_t all) {
    interrupted();
    if (seconds_now() - shown < period_s) return;
    shown = seconds_now();
    status.line(fmt::format("{}: {} of {} stories judged", task.label, done, all));
  });
  const std::string notice = recorder.record(task, std::move(file), seconds_now() - started, confirm);
  if (!notice.empty()) status.warn(task.label + ": " + notice);
}

}  // namespace apportion
