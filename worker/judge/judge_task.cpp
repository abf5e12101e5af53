// The judge task: judges the stories that came with it, dealt to the ranks of the group in units.
#include "worker/judge/judge_task.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "shared/base/clock.h"
#include "shared/measure/category.h"
#include "shared/measure/judge_question.h"
#include "worker/device.h"
#include "worker/tasks.h"
#include "worker/train/replay.h"

namespace apportion {
namespace {

constexpr size_t unit_stories = 8;

/// A story's question with each allowed answer: the categories in order, then "none". Empty if the longest
/// exceeds the model's context.
using Ballot = std::vector<ReplayRow>;

Ballot ballot_of(const ChatTemplate& chat, const std::string& story, const std::vector<std::string>& names,
                 int64_t context_length) {
  const std::string question = judge_question(story, names);
  std::vector<std::string> allowed = names;
  allowed.emplace_back(judge_says_none);
  Ballot ballot;
  for (const std::string& answer : allowed) {
    EncodedTurn turn = chat.encode_turn(question, answer);
    if (static_cast<int64_t>(turn.prompt.size() + turn.answer.size()) > context_length) return {};
    ballot.push_back({std::move(turn.prompt), std::move(turn.answer), 0});
  }
  return ballot;
}

/// Log-probs of all tokens of the ballots' answers, one after another, in host memory. Collective, even for a
/// rank without a ballot.
at::Tensor ballot_log_probs(const Llama& model, const std::vector<Ballot>& unit) {
  std::vector<const ReplayRow*> rows;
  for (const Ballot& ballot : unit) {
    for (const ReplayRow& row : ballot) rows.push_back(&row);
  }
  return answer_log_probs(model, nullptr, rows);
}

/// The verdict that follows from a ballot's log-probs; moves `log_prob` past them.
int verdict_of(const Ballot& ballot, const float*& log_prob) {
  double most = -std::numeric_limits<double>::infinity();
  size_t chosen = 0;
  for (size_t answer = 0; answer < ballot.size(); ++answer) {
    const double sum = std::accumulate(log_prob, log_prob + ballot[answer].answer.size(), 0.0);
    log_prob += ballot[answer].answer.size();
    if (sum <= most) continue;
    most = sum;
    chosen = answer;
  }
  return chosen + 1 == ballot.size() ? unparsed : static_cast<int>(chosen);
}

/// Collective.
std::vector<int> judge_unit(const Llama& model, const std::vector<Ballot>& unit) {
  const at::Tensor log_prob_N = ballot_log_probs(model, unit);
  const float* log_prob = log_prob_N.const_data_ptr<float>();
  std::vector<int> verdicts;
  for (const Ballot& ballot : unit)
    verdicts.push_back(ballot.empty() ? judge_failed : verdict_of(ballot, log_prob));
  return verdicts;
}

void report_progress(const TaskContext& context, size_t done, size_t all, double seconds) {
  Progress progress;
  progress.task_id = context.task.id;
  progress.stage = "judge " + context.task.label;
  progress.step = static_cast<int64_t>(done);
  progress.steps = static_cast<int64_t>(all);
  progress.seconds_left = seconds_left(seconds, progress.step, progress.steps);
  context.link.send(coordinator_address, progress);
}

}  // namespace

std::vector<int> verdicts_of(const Llama& model, const ChatTemplate& chat,
                             const std::vector<std::string>& names, const std::vector<std::string>& stories,
                             Collectives& group, const std::function<void(size_t done, size_t all)>& told) {
  const auto rank = static_cast<size_t>(group.group_rank()), ranks = static_cast<size_t>(group.size());
  const size_t units = (stories.size() + unit_stories - 1) / unit_stories,
               turns = (units + ranks - 1) / ranks;
  std::vector<double> own;  // story, verdict
  for (size_t turn = 0; turn < turns; ++turn) {
    const size_t first = (turn * ranks + rank) * unit_stories;
    std::vector<Ballot> unit;
    for (size_t i = first; i < std::min(stories.size(), first + unit_stories); ++i)
      unit.push_back(ballot_of(chat, stories[i], names, model.shape().context_length));
    const std::vector<int> verdicts = judge_unit(model, unit);
    for (size_t i = 0; i < verdicts.size(); ++i)
      own.insert(own.end(), {static_cast<double>(first + i), static_cast<double>(verdicts[i])});
    told(turn + 1, turns);
  }
  const std::vector<double> all = group.all_gather(own);
  std::vector<int> verdicts(stories.size(), judge_failed);
  for (size_t i = 0; i + 1 < all.size(); i += 2)
    verdicts[static_cast<size_t>(all[i])] = static_cast<int>(all[i + 1]);
  return verdicts;
}

Done run_judge(const TaskContext& context) {
  const RunConfig& config = context.session.config();
  RunConfig judge_config = config;
  std::optional<Session> own;  // of judge_model, for this task
  if (!config.judge.model.empty()) {
    judge_config.data.model = config.judge.model;
    judge_config.data.system = default_system;  // another model's template may not accept the job's
    context.session.release_models();
    own.emplace(judge_config, context.session.rank());
  }
  Session& session = own ? *own : context.session;
  const Llama& model = session.model(resolve_compute_type(config.measure_compute_type), context.shard_ranks);
  if (model.keeps_gathered()) model.gather_all();

  const double started = seconds_now();
  const bool first = context.collectives.group_rank() == 0;
  auto told = [&](size_t judged, size_t all) {
    if (first) report_progress(context, judged, all, seconds_now() - started);
  };
  std::vector<int> verdicts = verdicts_of(model, session.default_chat(), names_for_judge(session.dataset()),
                                          context.input, context.collectives, told);
  Done done;
  if (first) done.verdicts = std::move(verdicts);
  return done;
}

}  // namespace apportion
