#include "coordinator/report/html/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace apportion {
namespace {

constexpr double width = 1000, height = 150, inset = 6;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// From 0 to 1; the middle if there is only one value.
  double part(double value) const { return high > low ? (value - low) / (high - low) : 0.5; }
};

class ChartScale {
 public:
  explicit ChartScale(const Chart& chart) : chart_(chart) {
    for (const ChartLine& line : chart.lines) {
      for (const auto& [x, y] : line.points) {
        x_.take(x);
        y_.take(level(y));
      }
    }
    for (const auto& [x, name] : chart.ticks) x_.take(x);
    x_.low -= chart.x_margin;
    x_.high += chart.x_margin;
    if (chart.best && !chart.is_logarithmic) y_.take(*chart.best);
    if (chart.from_zero) y_.take(0);
  }

  bool is_empty() const { return y_.low > y_.high; }
  bool has_best() const { return chart_.best && !chart_.is_logarithmic; }
  double left(double x) const { return inset + (width - 2 * inset) * x_.part(x); }
  double top(double y) const { return height - inset - (height - 2 * inset) * y_.part(level(y)); }
  double lowest() const { return chart_.is_logarithmic ? std::pow(10, y_.low) : y_.low; }
  double highest() const { return chart_.is_logarithmic ? std::pow(10, y_.high) : y_.high; }
  const Range& x() const { return x_; }

 private:
  double level(double y) const { return chart_.is_logarithmic ? std::log10(y) : y; }

  const Chart& chart_;
  Range x_, y_;
};

std::string point(const ChartScale& scale, const std::pair<double, double>& one) {
  return coordinate(scale.left(one.first), 1) + " " + coordinate(scale.top(one.second), 1);
}

/// Points are lines of zero length with round ends: these stay round however the chart is stretched.
std::string path_of(const ChartScale& scale, const ChartLine& line) {
  std::string path;
  for (const auto& one : line.points) {
    path += (line.is_dotted || path.empty() ? "M" : "L") + point(scale, one);
    if (line.is_dotted) path += "h0";
  }
  return line.points.size() == 1 && !line.is_dotted ? path + "h0" : path;
}

/// Four digits, or all of a larger number that is not too long to read.
std::string level_text(double value) {
  constexpr double least = 9999.5, most = 1e7;
  return value >= least && value < most ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

void write_levels(Markup& out, const ChartScale& scale) {
  const std::string high = level_text(scale.highest()), low = level_text(scale.lowest());
  out.open("div", {{"class", high == low ? "levels one" : "levels"}, {"aria-hidden", "true"}});
  out.element("span", {}, high);
  if (low != high) out.element("span", {}, low);
  out.close();
}

void write_below(Markup& out, const Chart& chart, const ChartScale& scale) {
  out.open("div", {{"class", "below"}, {"aria-hidden", "true"}});
  if (chart.ticks.empty()) {
    out.element("span", {}, fmt::format("{:.4g}", scale.x().low));
    out.element("span", {}, chart.x_name);
    out.element("span", {}, fmt::format("{:.4g}", scale.x().high));
  }
  for (const auto& [x, name] : chart.ticks)
    out.open("span", {{"class", "at"}, {"style", "left:" + percent(scale.left(x) / width * 100)}})
        .name(name)
        .close();
  out.close();
}

void write_keys(Markup& out, const Chart& chart) {
  out.open("div", {{"class", "keys"}});
  for (const ChartLine& line : chart.lines) {
    if (line.name.empty()) continue;
    out.open("span", {{"class", "key"}});
    out.open("svg", {{"width", "26"}, {"height", "12"}, {"aria-hidden", "true"}});
    out.empty("path", {{"class", "line c" + std::to_string(line.color)}, {"d", "M2 6L24 6"}});
    out.close().name(line.name).close();
  }
  out.close();
}

}  // namespace

void write_chart(Markup& out, const Chart& chart) {
  const ChartScale scale(chart);
  if (scale.is_empty()) return;
  out.open("figure", {{"class", "chart"}});
  out.open("figcaption").name(chart.title);
  if (chart.is_logarithmic) out.element("span", {{"class", "aside"}}, " (logarithmic)");
  out.close();
  if (std::any_of(chart.lines.begin(), chart.lines.end(),
                  [](const auto& line) { return !line.name.empty(); }))
    write_keys(out, chart);
  out.open("div", {{"class", "area"}});
  write_levels(out, scale);
  out.open("svg", {{"viewBox", "0 0 1000 150"},
                   {"preserveAspectRatio", "none"},
                   {"role", "img"},
                   {"aria-label", chart.words}});
  out.empty("path", {{"class", "frame"}, {"d", "M0 0L0 150L1000 150"}});
  if (scale.has_best()) {
    const std::string y = coordinate(scale.top(*chart.best), 1);
    out.empty("line", {{"class", "best"}, {"x1", "0"}, {"x2", "1000"}, {"y1", y}, {"y2", y}});
  }
  for (const ChartLine& line : chart.lines)
    out.empty("path", {{"class", (line.is_dotted ? "points c" : "line c") + std::to_string(line.color)},
                       {"d", path_of(scale, line)}});
  out.close().close();
  write_below(out, chart, scale);
  out.close();
}

}  // namespace apportion
