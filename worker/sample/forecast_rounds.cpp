#include "worker/sample/forecast_rounds.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "shared/base/clock.h"
#include "worker/parallel/lanes.h"
#include "worker/sample/measure_units.h"

namespace apportion {
namespace {

constexpr uint64_t few = 256;

/// Tries a few rounds of each of these prompts; of none where there are none. They are dealt to a unit for
/// each lane, so that all lanes work, as they will. Collective over `ranks`.
RoundsTried try_few(const MeasureTools& tools, std::vector<MeasurePrompt> prompts, Collectives& ranks) {
  const auto lanes = static_cast<size_t>(lanes_on(tools.model.device(), at::get_num_threads()));
  std::vector<std::vector<MeasurePrompt>> units(std::min(lanes, prompts.size()));
  RoundsTried tried{few, static_cast<int64_t>(prompts.size())};
  for (size_t p = 0; p < prompts.size(); ++p) {
    prompts[p].rounds = few;
    prompts[p].draw_key = "forecast\n" + prompts[p].draw_key;
    units[p * units.size() / prompts.size()].push_back(std::move(prompts[p]));
  }
  const double started = seconds_now();
  measure_units(tools, units, ranks, [&](size_t, const UnitResult& result) {
    tried.nodes += result.drawn_nodes;
    tried.once += result.drawn_once;
    tried.tokens += result.tokens;
  });
  tried.seconds = seconds_now() - started;
  return tried;
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
                       Collectives& ranks) {
  std::vector<MeasurePrompt> first;
  if (!units.empty()) first = units.front();
  const std::vector<MeasurePrompt> one(first.begin(), first.begin() + (first.empty() ? 0 : 1));
  const RoundsTried tried = try_few(tools, one, ranks);
  const bool spreads = tried.nodes > static_cast<int64_t>(few);
  if (spreads) first.clear();  // the other ranks may go on
  const RoundsTried of_unit = try_few(tools, std::move(first), ranks);
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
