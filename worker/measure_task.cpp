// The measure task: units of prompts, each dealt whole to one rank of the group.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>

#include "shared/base/clock.h"
#include "shared/base/memory_limits.h"
#include "shared/config/method.h"
#include "shared/link/interrupt.h"
#include "shared/measure/categorise.h"
#include "shared/measure/category.h"
#include "shared/store/task_file.h"
#include "worker/asked_prompts.h"
#include "worker/device.h"
#include "worker/layout.h"
#include "worker/sample/forecast_rounds.h"
#include "worker/sample/kept_units.h"
#include "worker/sample/measure_units.h"
#include "worker/sample/mixture.h"
#include "worker/tasks.h"

namespace apportion {
namespace {

/// Up to this many rounds a subject, a forecast is not worth its time.
constexpr uint64_t foretold_rounds = 4096;

/// A unit's prompts, which the model is asked together.
struct Unit {
  int number = 0;  // in the whole test set
  std::vector<AskedPrompt> asked;

  std::vector<MeasurePrompt> parts() const {
    std::vector<MeasurePrompt> all;
    for (const AskedPrompt& prompt : asked) all.insert(all.end(), prompt.parts.begin(), prompt.parts.end());
    return all;
  }
};

/// Reads a unit's answers as they come.
class UnitReader {
 public:
  /// Both must outlive it.
  UnitReader(const AnswerReader& reader, const Unit& unit) : reader_(reader), unit_(unit) {
    for (const MeasurePrompt& part : unit.parts()) categorisers_.emplace_back(reader, part.draw_key);
  }

  void add(size_t part, const GivenAnswer& answer) { categorisers_[part].add(answer); }

  /// One result for each prompt, from the answers to its parts.
  std::vector<PromptResult> results(const std::vector<PromptAnswers>& about) {
    std::vector<PromptResult> results;
    size_t next = 0;
    for (const AskedPrompt& prompt : unit_.asked) {
      std::vector<PromptResult> parts;
      for (size_t part = 0; part < prompt.parts.size(); ++part, ++next) {
        parts.push_back(categorisers_[next].take(about[next]));
      }
      results.push_back(mix_results(std::move(parts), prompt.shares));
      keep_most_frequent(results.back(), reader_.most_listed, reader_.stories != nullptr);
    }
    return results;
  }

 private:
  const AnswerReader& reader_;
  const Unit& unit_;
  std::vector<Categoriser> categorisers_;
};

/// Number of wordings in a test set: a subject is asked in each.
int wordings_of(const std::vector<AskedPrompt>& prompts) {
  int most = 1;
  for (const AskedPrompt& prompt : prompts) most = std::max(most, prompt.parts.front().wording + 1);
  return most;
}

/// Whether the kept histogram answers this unit's prompts.
bool is_of(const Unit& unit, const Histogram& kept) {
  return std::equal(unit.asked.begin(), unit.asked.end(), kept.prompts.begin(), kept.prompts.end(),
                    [](const AskedPrompt& asked, const PromptResult& result) {
                      return asked.parts.front().subject == result.subject &&
                             asked.parts.front().wording == result.wording;
                    });
}

/// Units `first`, `first` + `stride` and so on.
std::vector<Unit> units_of(std::vector<AskedPrompt> prompts, size_t per_unit, size_t first, size_t stride) {
  std::vector<Unit> units;
  for (size_t begin = first * per_unit; begin < prompts.size(); begin += stride * per_unit) {
    Unit& unit = units.emplace_back();
    unit.number = static_cast<int>(begin / per_unit);
    for (size_t i = begin; i < std::min(prompts.size(), begin + per_unit); ++i) {
      unit.asked.push_back(std::move(prompts[i]));
    }
  }
  return units;
}

/// Sends the units that earlier runs have kept, and removes them from `units`.
void send_kept(const TaskContext& context, KeptUnits& kept, std::vector<Unit>& units) {
  const bool first = context.collectives.group_rank() == 0;
  const auto found = kept.load([&](const std::string& text) {
    if (first) context.link.send(coordinator_address, Note{context.task.id, text, true});
  });
  const size_t all = units.size();
  std::erase_if(units, [&](const Unit& unit) {
    const auto one = found.find(unit.number);
    if (one == found.end() || !is_of(unit, one->second)) return false;
    kept.add(one->second);
    context.link.send(coordinator_address, one->second);
    return true;
  });
  const std::string text = "goes on with " + std::to_string(units.size()) + " of " + std::to_string(all) +
                           " units; the others are measured already";
  if (first && units.size() < all) context.link.send(coordinator_address, Note{context.task.id, text, false});
}

/// Where a task's measured units are kept when a run leaves it unfinished.
KeptUnits kept_units(const TaskContext& context) {
  const RunConfig& config = context.session.config();
  return {checkpoint_directory(config.output.directory, context.task.id), context.task.id,
          config.measure.unit_prompts};
}

Progress progress_at(const TaskContext& context, int done, int all) {
  Progress progress;
  progress.task_id = context.task.id;
  progress.stage = "measure " + context.task.label;
  progress.step = done;
  progress.steps = all;
  return progress;
}

void report_progress(const TaskContext& context, int done, int all, double tokens, double flops,
                     double seconds, double peak) {
  Progress progress = progress_at(context, done, all);
  progress.tokens_per_second = tokens / seconds;
  progress.peak_share = flops / seconds / peak;
  progress.seconds_left = seconds_left(seconds, done, all);
  context.link.send(coordinator_address, progress);
}

/// Bytes that all units at work may take together.
double memory_for_units(const Session& session) {
  const double asked = session.config().measure.memory_gib;
  return asked > 0 ? asked * gibi : free_memory(session.device(), session.local_ranks()) / 2;
}

/// Reports how long many rounds will take, and what the estimate rests on. Collective over the group.
void foretell(const TaskContext& context, const MeasureTools& tools,
              const std::vector<std::vector<MeasurePrompt>>& units, double memory_bytes) {
  if (context.session.config().measure.rounds <= foretold_rounds) return;
  const RoundsTried tried =
      try_rounds(tools, units, context.collectives, {memory_bytes, nullptr, asked_to_stop});
  if (context.collectives.group_rank() != 0 || units.empty()) return;
  const double most = largest_unit_bytes(tools, units);
  const int at_once = std::min(units_at_once(most, memory_bytes), static_cast<int>(units.size()));
  const double seconds = seconds_of_rounds(tried, units, tools.config.max_answer_tokens);
  const std::string tried_prompts =
      tried.prompts == 1 ? "one prompt" : "each of " + std::to_string(tried.prompts) + " prompts";
  std::array<char, 320> text{};
  std::snprintf(text.data(), text.size(),
                "about %.0f s expected for %llu rounds a subject (%llu rounds of %s came to %lld tokens "
                "beyond the exact shares', %lld of them reached only once); units of %s at most, %d at a "
                "time within %s "
                "(measure_memory)",
                seconds, static_cast<unsigned long long>(context.session.config().measure.rounds),
                static_cast<unsigned long long>(tried.rounds), tried_prompts.c_str(),
                static_cast<long long>(tried.nodes), static_cast<long long>(tried.once),
                gibibytes(most).c_str(), at_once, gibibytes(memory_bytes).c_str());
  context.link.send(coordinator_address, Note{context.task.id, text.data(), most > memory_bytes});
}

/// Measures this rank's units and keeps each finished one. Throws TaskPaused when asked to stop.
Done measure_own(const TaskContext& context, const MeasureTools& tools, const AnswerReader& reader,
                 const std::vector<Unit>& units, KeptUnits& kept) {
  std::vector<std::vector<MeasurePrompt>> own;
  std::vector<UnitReader> readers;
  for (const Unit& unit : units) {
    own.push_back(unit.parts());
    readers.emplace_back(reader, unit);
  }

  Done done;
  double tokens = 0, flops = 0;
  const double memory_bytes = memory_for_units(context.session);
  if (context.collectives.group_rank() == 0)  // the first unit may take minutes
    context.link.send(coordinator_address, progress_at(context, 0, static_cast<int>(own.size())));
  foretell(context, tools, own, memory_bytes);
  const double peak = context.session.peak(tools.model.compute_type()), started = seconds_now();
  auto take = [&](size_t index, size_t part, const GivenAnswer& answer) { readers[index].add(part, answer); };
  auto finish = [&](size_t index, const UnitResult& result) {
    const Histogram unit{context.task.id, units[index].number, readers[index].results(result.prompts)};
    context.link.send(coordinator_address, unit);
    kept.add(unit);
    tokens += static_cast<double>(result.tokens);
    flops += result.flops;
    ++done.units;
    if (context.collectives.group_rank() == 0) {
      report_progress(context, static_cast<int>(done.units), static_cast<int>(own.size()), tokens, flops,
                      seconds_now() - started, peak);
    }
  };
  measure_units(tools, own, context.collectives, finish, {memory_bytes, take, asked_to_stop});
  return done;
}

}  // namespace

Done run_measure(const TaskContext& context) {
  Session& session = context.session;
  const at::ScalarType type = resolve_compute_type(session.config().measure_compute_type);
  const std::string trained_by = context.task.inputs.empty() ? "" : context.task.inputs.front();
  const bool all = session.config().adapter == AdapterKind::none;
  const Llama& model = session.model(type, context.shard_ranks, all ? trained_by : "");
  if (model.keeps_gathered()) model.gather_all();
  const auto adapter = all ? nullptr : task_adapter(session, trained_by, type);
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
  AnswerReader reader{parser, asking == Asking::for_probabilities ? Reading::shares : Reading::category, seed,
                      stories ? &*stories : nullptr};
  const int rank = context.collectives.group_rank(), ranks = context.collectives.size();
  std::vector<AskedPrompt> prompts = asked_prompts(session, context.task.test_set, asking);
  reader.most_listed = listed_per_wording(wordings_of(prompts));
  std::vector<Unit> units = units_of(std::move(prompts), static_cast<size_t>(measure.unit_prompts),
                                     static_cast<size_t>(rank), static_cast<size_t>(ranks));
  const auto all_units = static_cast<int64_t>(units.size());
  KeptUnits kept = kept_units(context);
  if (!session.config().output.force) send_kept(context, kept, units);
  try {
    return measure_own(context, tools, reader, units, kept);
  } catch (const TaskPaused&) {
    kept.save(rank, ranks);
    throw TaskPaused(static_cast<int64_t>(kept.size()), all_units);
  }
}

}  // namespace apportion
