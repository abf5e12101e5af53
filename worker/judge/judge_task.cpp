// The judge task: the stories that its input measured, dealt to the ranks of the group in units.
#include "worker/judge/judge_task.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "shared/base/clock.h"
#include "shared/measure/category.h"
#include "shared/measure/judge_question.h"
#include "shared/measure/verdicts.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/tasks.h"
#include "worker/train/replay.h"

namespace apportion {
namespace {

constexpr size_t unit_stories = 8;

/// A story's question with each allowed answer: the categories in order, then "none".
using Ballot = std::vector<ReplayRow>;

Ballot ballot_of(const ChatTemplate& chat, const std::string& story, const std::vector<std::string>& names) {
  const std::string question = judge_question(story, names);
  Ballot ballot;
  for (const std::string& name : names)
    ballot.push_back({chat.encode_prompt(question), chat.encode_turn(question, name).answer, 0});
  ballot.push_back({chat.encode_prompt(question), chat.encode_turn(question, judge_says_none).answer, 0});
  return ballot;
}

bool fits(const Ballot& ballot, int64_t context_length) {
  return std::all_of(ballot.begin(), ballot.end(), [&](const ReplayRow& row) {
    return static_cast<int64_t>(row.prompt.size() + row.answer.size()) <= context_length;
  });
}

/// The verdict that a ballot's log-probs come to; `position` is moved behind its rows.
int verdict_of(const Ballot& ballot, const at::Tensor& log_prob_NV, int64_t& position) {
  double most = -std::numeric_limits<double>::infinity();
  size_t chosen = 0;
  for (size_t answer = 0; answer < ballot.size(); ++answer) {
    double log_prob = 0;
    for (int32_t token : ballot[answer].answer) log_prob += log_prob_NV[position++][token].item<double>();
    if (log_prob <= most) continue;
    most = log_prob;
    chosen = answer;
  }
  return chosen + 1 == ballot.size() ? unparsed : static_cast<int>(chosen);
}

/// Verdicts of a unit's ballots, judge_failed for those that do not fit. Collective: a rank without a unit
/// joins with an empty one.
std::vector<int> judge_unit(const Llama& model, const std::vector<Ballot>& unit) {
  const at::NoGradGuard no_gradient;
  std::vector<const ReplayRow*> rows;
  for (const Ballot& ballot : unit) {
    if (!fits(ballot, model.shape().context_length)) continue;
    for (const ReplayRow& row : ballot) rows.push_back(&row);
  }
  std::vector<ReplayTree> trees;
  if (!rows.empty()) trees.push_back(pack_replay(rows, model.shape().context_length, model.device()));
  const std::vector<at::Tensor> logits = model.vocabulary().logits(kept_hidden(model, nullptr, trees));
  at::Tensor log_prob_NV;
  if (!logits.empty()) log_prob_NV = logits[0].log_softmax(-1).cpu();
  std::vector<int> verdicts;
  int64_t position = 0;
  for (const Ballot& ballot : unit) {
    const bool judged = fits(ballot, model.shape().context_length);
    verdicts.push_back(judged ? verdict_of(ballot, log_prob_NV, position) : judge_failed);
  }
  return verdicts;
}

void report_progress(const TaskContext& context, size_t done, size_t all, double seconds) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Progress progress;
  progress.task_id = context.task.id;
  progress.stage = "judge " + context.task.label;
  progress.step = static_cast<int64_t>(done);
  progress.steps = static_cast<int64_t>(all);
  progress.loss = progress.kl = progress.coverage = none;
  progress.seconds_left = seconds / static_cast<double>(done) * static_cast<double>(all - done);
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
      unit.push_back(ballot_of(chat, stories[i], names));
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
  // Another model than the job's has a session of its own, as long as the task.
  RunConfig judge_config = config;
  if (!config.judge.model.empty()) judge_config.data.model = config.judge.model;
  std::optional<Session> own;
  if (!config.judge.model.empty()) {
    context.session.release_models();
    own.emplace(judge_config, context.session.rank());
  }
  Session& session = own ? *own : context.session;
  const Llama& model = session.model(resolve_compute_type(config.measure_compute_type), context.shard_ranks);
  if (model.keeps_gathered()) model.gather_all();

  const MeasureResult measured =
      read_measure_file(result_path(config.output.directory, context.task.inputs.front())).result;
  const double started = seconds_now();
  const bool first = context.collectives.group_rank() == 0;
  Done done;
  done.verdicts =
      verdicts_of(model, session.chat(), names_for_judge(session.dataset()), stories_to_judge(measured),
                  context.collectives, [&](size_t judged, size_t all) {
                    if (first) report_progress(context, judged, all, seconds_now() - started);
                  });
  const std::string failed = failed_verdicts_notice(with_verdicts(measured, done.verdicts));
  if (!first)
    done.verdicts.clear();
  else if (!failed.empty())
    context.link.send(coordinator_address, Note{context.task.id, failed, true});
  return done;
}

}  // namespace apportion
