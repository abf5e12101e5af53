#include "coordinator/report/view/curve_view.h"

#include <algorithm>
#include <cmath>

#include "shared/store/columns.h"

namespace apportion {
namespace {

constexpr const char* curved[] = {"loss", "kl", "coverage", "kto", "z_unclamped", "retain", "lr"};

std::vector<CurvePoint> finite_points(const TrainLog& log, const std::string& name) {
  std::vector<CurvePoint> points;
  for_each_column(log, [&](const char* column, const std::vector<double>& values) {
    if (column != name) return;
    for (size_t i = 0; i < values.size() && i < log.step.size(); ++i) {
      if (std::isfinite(values[i])) points.emplace_back(log.step[i], values[i]);
    }
  });
  return points;
}

bool is_lower(const CurvePoint& a, const CurvePoint& b) { return a.second < b.second; }

/// The lowest and highest point of each of `most` / 2 stretches, in order.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, size_t most) {
  if (points.size() <= most) return points;
  std::vector<CurvePoint> kept;
  const size_t stretches = most / 2;
  for (size_t i = 0; i < stretches; ++i) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(i * points.size() / stretches);
    const auto end = points.begin() + static_cast<std::ptrdiff_t>((i + 1) * points.size() / stretches);
    const auto [low, high] = std::minmax_element(begin, end, is_lower);
    kept.push_back(std::min(*low, *high));
    if (low != high) kept.push_back(std::max(*low, *high));
  }
  return kept;
}

}  // namespace

std::vector<CurveView> curves_of(const TrainLog& log, size_t most) {
  constexpr double wide = 100;
  std::vector<CurveView> curves;
  for (const char* name : curved) {
    const std::vector<CurvePoint> points = finite_points(log, name);
    if (points.empty()) continue;
    const auto [low, high] = std::minmax_element(points.begin(), points.end(), is_lower);
    const bool is_zero = low->second == 0 && high->second == 0;
    if (is_zero) continue;  // the stage has the term with weight 0
    curves.push_back({training_metric(name), thinned(points, most), points.front().second,
                      points.back().second, low->second, high->second,
                      low->second > 0 && high->second > wide * low->second});
  }
  return curves;
}

}  // namespace apportion
