// The memory and time that training would take on each number of ranks of a plan, in the fastest layout that
// fits. Depends only on the configuration's values; forecast_page.h prints it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/model/machine.h"
#include "shared/model/memory.h"
#include "shared/model/step_time.h"

namespace apportion {

/// A number of ranks with the layout chosen for it: if none fits, the one with the least memory.
struct ForecastRow {
  RankLayout layout;
  StepLoad load;
  RankMemory memory;
  double beside_bytes = 0;  // reserved memory, or what a GPU holds besides tensors
  double needed_bytes = 0;  // memory.total() as calibrated, plus beside_bytes
  bool fits = false;
  StepTime time;
  int64_t micro_batches = 0;  // of all ranks; `load` has those of the busiest rank

  double tokens_per_second() const { return static_cast<double>(load.tokens * micro_batches) / time.total(); }
};

struct Forecast {
  ModelShape shape;
  CalibratedMachine machine;
  std::vector<ForecastRow> rows;        // one for each number of plan_ranks, in order
  std::optional<int64_t> fewest_ranks;  // the smallest number up to most_ranks that fits
  double least_bytes = 0;               // needed per rank with most_ranks, when no number fits
};
inline constexpr int64_t most_ranks = 4096;

/// Bytes that a rank needs besides tensors: from the coefficients, or estimated for a GPU.
double beside_tensors(const ModelShape& shape, const RankLayout& layout, double tensor_bytes,
                      const Coefficients& coefficients);

/// Throws UserError when shard_size does not divide one of plan_ranks, and for coefficients of another
/// machine.
Forecast make_forecast(const ModelShape& shape, const CalibratedMachine& machine, const RunConfig& config);

}  // namespace apportion
