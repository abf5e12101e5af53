// The measure task: units of prompts, dealt whole to the ranks of the group.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "shared/base/clock.h"
#include "shared/data/example.h"
#include "shared/measure/category.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/models/adapter_file.h"
#include "worker/parallel/lanes.h"
#include "worker/sample/answer_tree.h"
#include "worker/tasks.h"
#include "worker/train/batch.h"

namespace apportion {
namespace {

std::vector<MeasurePrompt> measure_prompts(const Session& session, const std::string& test_set) {
  const DataConfig& data = session.config().data;
  const Dataset& dataset = session.dataset();
  const auto prompts = prompts_of(dataset, test_set, data.holdout_wordings, data.subjects);
  const auto subjects = subjects_of(dataset, test_set, data.subjects);
  const int wordings = static_cast<int>(prompts.size() / subjects.size());
  const auto rounds = rounds_per_wording(session.config().measure.rounds, wordings);
  std::vector<MeasurePrompt> out;
  for (const Prompt& prompt : prompts) {
    MeasurePrompt& measured = out.emplace_back();
    measured.subject = prompt.subject;
    measured.wording = prompt.wording;
    measured.tokens = session.chat().encode_prompt(prompt.text);
    measured.steering_tokens = steering_tokens(session.chat(), prompt, dataset.categories.size());
    measured.rounds = rounds[static_cast<size_t>(prompt.wording)];
    measured.draw_key = dataset.name + '\n' + test_set + '\n' +
                        subjects[static_cast<size_t>(prompt.subject)].name + '\n' +
                        std::to_string(prompt.wording) + '\n';
  }
  return out;
}

void report_progress(const TaskContext& context, int done, int all, double tokens, double flops,
                     double seconds, double peak) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Progress progress;
  progress.task_id = context.task.id;
  progress.stage = "measure " + context.task.label;
  progress.step = done;
  progress.steps = all;
  progress.loss = progress.kl = progress.coverage = none;
  progress.tokens_per_second = tokens / seconds;
  progress.peak_share = flops / seconds / peak;
  progress.seconds_left = seconds / done * (all - done);
  context.link.send(coordinator_address, progress);
}

}  // namespace

Done run_measure(const TaskContext& context) {
  Session& session = context.session;
  const at::ScalarType type = resolve_compute_type(session.config().measure_compute_type);
  const Llama& model = session.model(type, context.shard_ranks);
  model.gather_all();
  std::unique_ptr<Adapter> adapter;
  if (!context.task.inputs.empty()) {
    const std::string folder =
        adapter_directory(session.config().output.directory, context.task.inputs.front());
    adapter = std::make_unique<Adapter>(load_adapter(folder, session.shape(), session.device()));
    adapter->refresh(type);
  }
  const CategoryParser parser(session.dataset().categories);
  const MeasureTools tools{model,
                           adapter.get(),
                           session.tokenizer(),
                           session.chat().end_of_turn(),
                           parser,
                           session.config().measure,
                           session.config().data.seed};
  const auto prompts = measure_prompts(session, context.task.test_set);
  const auto per_unit = static_cast<size_t>(session.config().measure.unit_prompts);
  const int units = static_cast<int>((prompts.size() + per_unit - 1) / per_unit);
  const int rank = context.collectives.group_rank(), ranks = context.collectives.size();
  const int own = (units - rank + ranks - 1) / ranks;

  Done done;
  std::mutex counting;
  double tokens = 0, flops = 0;
  const double peak = session.peak(type), started = seconds_now();
  run_lanes(own, session.device(), [&](int index) {
    const int unit = rank + index * ranks;
    const size_t first = static_cast<size_t>(unit) * per_unit,
                 last = std::min(prompts.size(), first + per_unit);
    UnitResult result = measure_unit(
        tools, {prompts.begin() + static_cast<int64_t>(first), prompts.begin() + static_cast<int64_t>(last)});
    const std::lock_guard lock(counting);
    context.link.send(coordinator_address, Histogram{context.task.id, unit, std::move(result.prompts)});
    tokens += static_cast<double>(result.tokens);
    flops += result.flops;
    ++done.units;
    if (rank == 0) {
      report_progress(context, static_cast<int>(done.units), own, tokens, flops, seconds_now() - started,
                      peak);
    }
  });
  model.drop_all();
  return done;
}

}  // namespace apportion
