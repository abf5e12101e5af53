#include "coordinator/report/view/sweep_plot.h"

#include <algorithm>
#include <map>

#include "coordinator/report/data/pivot.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

std::optional<double> error_of(const CellFigures& cell) {
  return cell.exact_error ? cell.exact_error : cell.mae;
}

/// The values of a key and their positions: numbers by size, others in the order of a pivot's rows.
struct Places {
  bool is_numeric = true;
  std::vector<std::pair<double, std::string>> values;
  std::map<std::string, double> of;
};

Places places_of(const std::string& key, const std::vector<CellFigures>& cells) {
  Places places;
  std::vector<const CellFigures*> all;
  for (const CellFigures& cell : cells) all.push_back(&cell);
  const std::vector<std::string> texts = values_in_order(key, all);
  double number = 0;
  for (const std::string& text : texts) places.is_numeric = places.is_numeric && parse_number(text, number);
  for (size_t i = 0; i < texts.size(); ++i) {
    number = static_cast<double>(i);
    if (places.is_numeric) parse_number(texts[i], number);
    places.values.emplace_back(number, texts[i]);
    places.of[texts[i]] = number;
  }
  return places;
}

SweptLine line_of(const std::string& name, const std::vector<std::pair<double, double>>& points) {
  SweptLine line{name, points, {}};
  std::sort(line.points.begin(), line.points.end());
  std::map<double, std::pair<double, double>> sums;
  for (const auto& [x, y] : line.points) {
    sums[x].first += y;
    sums[x].second += 1;
  }
  for (const auto& [x, sum] : sums) line.means.emplace_back(x, sum.first / sum.second);
  return line;
}

}  // namespace

std::vector<SweepPlot> sweep_plots(const std::vector<CellFigures>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  std::vector<SweepPlot> plots;
  for (const std::string& key : keys) {
    if (key == "seed" && keys.size() > 1) continue;
    const Places places = places_of(key, cells);
    if (places.values.size() < 2) continue;
    std::map<std::string, std::vector<std::pair<double, double>>> methods;
    for (const CellFigures& cell : cells) {
      const std::optional<std::string> value = swept_value(cell.swept, key);
      if (!value || !error_of(cell)) continue;
      const std::string method =
          key == "method" ? "" : swept_value(cell.swept, "method").value_or(cell.method);
      methods[method].emplace_back(places.of.at(*value), *error_of(cell));
    }
    SweepPlot plot{key, places.is_numeric, places.values, {}};
    for (const auto& [method, points] : methods) plot.lines.push_back(line_of(method, points));
    plots.push_back(std::move(plot));
  }
  return plots;
}

}  // namespace apportion
