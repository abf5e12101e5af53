#include "worker/sample/forecast_rounds.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "shared/base/clock.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

constexpr uint64_t few = 256;

/// Tries a few rounds of each of these prompts, dealt to at most `most` units; of none where there are none.
/// Collective over `ranks`.
RoundsTried try_few(const MeasureTools& tools, std::vector<MeasurePrompt> prompts, size_t most,
                    Collectives& ranks, const UnitsTogether& together) {
  std::vector<std::vector<MeasurePrompt>> units(std::min(most, prompts.size()));
  RoundsTried tried{few, static_cast<int64_t>(prompts.size())};
  for (size_t p = 0; p < prompts.size(); ++p) {
    prompts[p].rounds = few;
    prompts[p].draw_key = "forecast\n" + prompts[p].draw_key;
    units[p * units.size() / prompts.size()].push_back(std::move(prompts[p]));
  }
  const double started = seconds_now();
  auto add = [&](size_t, const UnitResult& result) {
    tried.nodes += result.drawn_nodes;
    tried.once += result.drawn_once;
    tried.tokens += result.tokens;
  };
  measure_units(tools, units, ranks, add, {together.memory_bytes, nullptr, together.stops});
  tried.seconds = seconds_now() - started;
  return tried;
}

/// How many of this rank's units will be measured at a time.
size_t units_at_work(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                     double memory_bytes) {
  const int fit = units_at_once(largest_unit_bytes(tools, units), memory_bytes);
  const int most = std::min(fit, lanes_on(tools.model.device(), at::get_num_threads()));
  return std::min(units.size(), static_cast<size_t>(most));
}

}  // namespace

double nodes_of_rounds(const RoundsTried& tried, uint64_t rounds, int depths) {
  if (tried.nodes == 0 || tried.rounds == 0) return 0;
  const double exponent = static_cast<double>(tried.once) / static_cast<double>(tried.nodes);
  const double times = static_cast<double>(rounds) / static_cast<double>(tried.rounds);
  const double nodes = static_cast<double>(tried.nodes) / static_cast<double>(tried.prompts);
  return std::min(nodes * std::pow(times, exponent), static_cast<double>(rounds) * depths);
}

RoundsTried try_rounds(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                       Collectives& ranks, const UnitsTogether& together) {
  const size_t at_work = units_at_work(tools, units, together.memory_bytes);
  std::vector<MeasurePrompt> first;
  if (!units.empty()) first = units.front();
  std::vector<MeasurePrompt> one_each = first;
  one_each.resize(std::min(at_work, first.size()));
  const RoundsTried tried = try_few(tools, std::move(one_each), at_work, ranks, together);
  const bool spreads = tried.nodes > static_cast<int64_t>(few) * tried.prompts;
  if (spreads) first.clear();  // the other ranks may go on
  const RoundsTried of_unit = try_few(tools, std::move(first), at_work, ranks, together);
  return spreads ? tried : of_unit;
}

double seconds_of_rounds(const RoundsTried& tried, const std::vector<std::vector<MeasurePrompt>>& units,
                         int depths) {
  if (tried.tokens == 0) return 0;
  const double others = static_cast<double>(tried.tokens - tried.nodes) / static_cast<double>(tried.prompts);
  double tokens = 0;
  for (const auto& unit : units) {
    for (const MeasurePrompt& prompt : unit) tokens += others + nodes_of_rounds(tried, prompt.rounds, depths);
  }
  return tried.seconds * tokens / static_cast<double>(tried.tokens);
}

}  // namespace apportion
