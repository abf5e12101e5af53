// A chart of lines or points over one axis: training curves, errors over a swept key.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/report/html/markup.h"

namespace apportion {

struct ChartLine {
  std::string name;                               // for the legend; empty: none
  std::vector<std::pair<double, double>> points;  // sorted by x
  bool is_dotted = false;                         // only points, no line
  size_t color = 0;                               // one of the page's eight
};

struct Chart {
  std::string title, words;  // above the chart; a description for readers who cannot see it
  std::vector<ChartLine> lines;
  std::string x_name;                                 // below the axis; empty: the ticks say it
  std::vector<std::pair<double, std::string>> ticks;  // below the axis; empty: the ends of x
  std::optional<double> best;                         // the best possible value, drawn as a line across
  bool is_logarithmic = false;
  bool from_zero = false;
  double x_margin = 0;  // on both sides, in units of x
};

/// Writes nothing when no line has a point.
void write_chart(Markup& out, const Chart& chart);

}  // namespace apportion
