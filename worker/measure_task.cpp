// The measure task: units of prompts, dealt whole to the ranks of the group.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "shared/base/clock.h"
#include "shared/data/example.h"
#include "shared/measure/category.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/models/adapter_file.h"
#include "worker/sample/measure_units.h"
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
  if (model.keeps_gathered()) model.gather_all();
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
  std::vector<std::vector<MeasurePrompt>> own;
  for (int unit = rank; unit < units; unit += ranks) {
    const size_t first = static_cast<size_t>(unit) * per_unit,
                 last = std::min(prompts.size(), first + per_unit);
    own.emplace_back(prompts.begin() + static_cast<int64_t>(first),
                     prompts.begin() + static_cast<int64_t>(last));
  }

  Done done;
  double tokens = 0, flops = 0;
  const double peak = session.peak(type), started = seconds_now();
  measure_units(tools, own, context.collectives, [&](size_t index, UnitResult result) {
    const int unit = rank + static_cast<int>(index) * ranks;
    context.link.send(coordinator_address, Histogram{context.task.id, unit, std::move(result.prompts)});
    tokens += static_cast<double>(result.tokens);
    flops += result.flops;
    ++done.units;
    if (rank == 0) {
      report_progress(context, static_cast<int>(done.units), static_cast<int>(own.size()), tokens, flops,
                      seconds_now() - started, peak);
    }
  });
  return done;
}

}  // namespace apportion
