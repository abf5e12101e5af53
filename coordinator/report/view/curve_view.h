// The curves of a training task: one for each metric that the stage has, and its value if all came out as
// asked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/report/data/report_data.h"
#include "shared/measure/metric_table.h"

namespace apportion {

/// A point of a curve: step and value.
using CurvePoint = std::pair<double, double>;

struct CurveView {
  const TrainingMetric& metric;
  std::vector<CurvePoint> points;
  double first = 0, last = 0, lowest = 0, highest = 0;
  bool is_logarithmic = false;  // all values are above 0 and span more than two powers of ten
};

/// Loss, KL, coverage, KTO, z, what is kept, and the learning rate: those with a finite value. With more than
/// `most` points, each stretch of steps keeps its lowest and highest value.
std::vector<CurveView> curves_of(const TrainLog& log, size_t most);

}  // namespace apportion
