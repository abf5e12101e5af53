#include "worker/sample/forecast_rounds.h"

#include <algorithm>
#include <cmath>

#include "shared/base/clock.h"
#include "worker/sample/measure_units.h"

namespace apportion {

double nodes_of_rounds(const RoundsTried& tried, uint64_t rounds, int depths) {
  if (tried.nodes == 0 || tried.rounds == 0) return 0;
  const double exponent = static_cast<double>(tried.once) / static_cast<double>(tried.nodes);
  const double times = static_cast<double>(rounds) / static_cast<double>(tried.rounds);
  return std::min(static_cast<double>(tried.nodes) * std::pow(times, exponent),
                  static_cast<double>(rounds) * depths);
}

RoundsTried try_rounds(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                       Collectives& ranks) {
  constexpr uint64_t few = 256;
  std::vector<std::vector<MeasurePrompt>> one;
  if (!units.empty()) one = {{units.front().front()}};
  for (auto& unit : one) {
    unit.front().rounds = few;
    unit.front().draw_key = "forecast\n" + unit.front().draw_key;
  }
  RoundsTried tried;
  const double started = seconds_now();
  measure_units(tools, one, ranks, [&](size_t, const UnitResult& result) {
    tried = {few, result.drawn_nodes, result.drawn_once, result.tokens, 0};
  });
  tried.seconds = seconds_now() - started;
  return tried;
}

double seconds_of_rounds(const RoundsTried& tried, const std::vector<std::vector<MeasurePrompt>>& units,
                         int depths) {
  if (tried.tokens == 0) return 0;
  const double others = std::max(0.0, static_cast<double>(tried.tokens - tried.nodes));
  double tokens = 0;
  for (const auto& unit : units) {
    for (const MeasurePrompt& prompt : unit) tokens += others + nodes_of_rounds(tried, prompt.rounds, depths);
  }
  return tried.seconds * tokens / static_cast<double>(tried.tokens);
}

}  // namespace apportion
