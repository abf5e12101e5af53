// The measure task: units of prompts, dealt whole to the ranks of the group.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "shared/base/clock.h"
#include "shared/config/method.h"
#include "shared/measure/categorise.h"
#include "shared/measure/category.h"
#include "shared/store/task_file.h"
#include "worker/asked_prompts.h"
#include "worker/device.h"
#include "worker/models/adapter_file.h"
#include "worker/sample/measure_units.h"
#include "worker/sample/mixture.h"
#include "worker/tasks.h"

namespace apportion {
namespace {

/// A unit's prompts, put to the model together.
struct Unit {
  std::vector<AskedPrompt> asked;

  std::vector<MeasurePrompt> parts() const {
    std::vector<MeasurePrompt> all;
    for (const AskedPrompt& prompt : asked) all.insert(all.end(), prompt.parts.begin(), prompt.parts.end());
    return all;
  }

  /// One result for each prompt from the answers to its parts.
  std::vector<PromptResult> results(const AnswerReader& reader,
                                    const std::vector<PromptAnswers>& of_parts) const {
    std::vector<PromptResult> results;
    auto next = of_parts.begin();
    for (const AskedPrompt& prompt : asked) {
      std::vector<PromptResult> parts;
      for (size_t part = 0; part < prompt.parts.size(); ++part) {
        parts.push_back(categorise(reader, *next++));
      }
      results.push_back(mix_results(std::move(parts), prompt.shares));
    }
    return results;
  }
};

/// Units `first`, `first` + `stride` and so on.
std::vector<Unit> units_of(std::vector<AskedPrompt> prompts, size_t per_unit, size_t first, size_t stride) {
  std::vector<Unit> units;
  for (size_t begin = first * per_unit; begin < prompts.size(); begin += stride * per_unit) {
    Unit& unit = units.emplace_back();
    for (size_t i = begin; i < std::min(prompts.size(), begin + per_unit); ++i) {
      unit.asked.push_back(std::move(prompts[i]));
    }
  }
  return units;
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
  const std::string trained_by = context.task.inputs.empty() ? "" : context.task.inputs.front();
  const bool all = session.config().adapter == AdapterKind::none;
  const Llama& model = session.model(type, context.shard_ranks, all ? trained_by : "");
  if (model.keeps_gathered()) model.gather_all();
  std::unique_ptr<Adapter> adapter;
  if (!trained_by.empty() && !all) {
    const std::string folder = adapter_directory(session.config().output.directory, trained_by);
    adapter = std::make_unique<Adapter>(load_adapter(folder, session.shape(), session.device()));
    adapter->refresh(type);
  }
  const CategoryParser parser = CategoryParser::of(session.dataset());
  const Asking asking = asking_of(context.task);
  MeasureConfig measure = session.config().measure;
  if (asking == Asking::for_probabilities) measure.max_answer_tokens = measure.verbalized_tokens;
  std::optional<StoryRule> stories;
  if (reads_stories(context.task)) {
    stories.emplace(session.dataset());
    measure.max_answer_tokens = measure.story_tokens;
  }
  const uint64_t seed = session.config().data.seed;
  const MeasureTools tools{model,   adapter.get(), session.tokenizer(), session.chat().end_of_turn(),
                           measure, seed};
  const AnswerReader reader{parser, asking == Asking::for_probabilities ? Reading::shares : Reading::category,
                            seed, stories ? &*stories : nullptr};
  const int rank = context.collectives.group_rank(), ranks = context.collectives.size();
  const std::vector<Unit> units = units_of(asked_prompts(session, context.task.test_set, asking),
                                           static_cast<size_t>(measure.unit_prompts),
                                           static_cast<size_t>(rank), static_cast<size_t>(ranks));
  std::vector<std::vector<MeasurePrompt>> own;
  for (const Unit& unit : units) own.push_back(unit.parts());

  Done done;
  double tokens = 0, flops = 0;
  const double peak = session.peak(type), started = seconds_now();
  measure_units(tools, own, context.collectives, [&](size_t index, const UnitResult& result) {
    const int unit = rank + static_cast<int>(index) * ranks;
    context.link.send(coordinator_address,
                      Histogram{context.task.id, unit, units[index].results(reader, result.prompts)});
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
