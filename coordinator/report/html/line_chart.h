// A chart of lines or points over one axis: curves of a training, errors over a swept key.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/report/html/markup.h"

namespace apportion {

struct ChartLine {
  std::string name;                               // in the key; empty: none
  std::vector<std::pair<double, double>> points;  // in the order of x
  bool is_dotted = false;                         // points alone, no line
  size_t color = 0;                               // of the page's eight
};

struct Chart {
  std::string title, words;  // above it; what it shows, for who cannot see it
  std::vector<ChartLine> lines;
  std::string x_name;                                 // below; empty: the ticks say it
  std::vector<std::pair<double, std::string>> ticks;  // below; empty: the ends of x
  std::optional<double> best;                         // a value that would be best, drawn across
  bool is_logarithmic = false;
  bool from_zero = false;
  double x_margin = 0;  // on both sides, in units of x
};

/// Nothing where no line has a point.
void write_chart(Markup& out, const Chart& chart);

}  // namespace apportion
