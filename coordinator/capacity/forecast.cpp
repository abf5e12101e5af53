#include "coordinator/capacity/forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/capacity/prediction.h"
#include "shared/base/error.h"
#include "shared/model/layout_choice.h"

namespace apportion {
namespace {

class Forecaster {
 public:
  Forecaster(const ModelShape& shape, const CalibratedMachine& machine, const RunConfig& config)
      : shape_(shape),
        machine_(machine),
        config_(config),
        capacity_(config.capacity),
        shard_size_(config.ranks.shard_size),
        recompute_(allowed_recompute(config.ranks.recompute)) {}

  Forecast run() const {
    Forecast forecast{shape_, machine_, {}, {}, 0};
    for (uint64_t ranks : capacity_.ranks) {
      const auto count = static_cast<int64_t>(ranks);
      if (shard_size_ > 0 && count % shard_size_ != 0) {
        throw UserError(
            fmt::format("shard_size = {} does not divide the {} ranks of plan_ranks", shard_size_, count));
      }
      forecast.rows.push_back(best(count));
    }
    const int64_t unit = std::max<int64_t>(shard_size_, 1);
    for (int64_t ranks = unit; ranks <= most_ranks && !forecast.fewest_ranks; ranks += unit) {
      if (least(ranks).fits) forecast.fewest_ranks = ranks;
    }
    forecast.least_bytes = least(most_ranks).needed_bytes;
    return forecast;
  }

 private:
  int64_t micro_batches_of(int64_t ranks) const {
    return capacity_.scaling == Scaling::weak ? ranks : config_.batch.micro_batches;
  }

  StepLoad load_of(int64_t ranks) const {
    StepLoad load;
    load.tokens = capacity_.tokens;
    load.path = capacity_.path;
    load.vocabulary_rows = std::min(capacity_.rows, capacity_.tokens);
    load.micro_batches = (micro_batches_of(ranks) + ranks - 1) / ranks;
    return load;
  }

  ForecastRow row_of(int64_t ranks, int64_t shard_size, Recompute recompute) const {
    ForecastRow row;
    row.layout = computing_layout(config_, machine_.machine,
                                  config_.train_compute_type == ComputeType::float32 ? 4 : 2);
    row.layout.ranks = ranks;
    row.layout.shard_size = shard_size;
    row.layout.tuning = capacity_.tuning;
    row.layout.recompute = recompute;
    row.load = load_of(ranks);
    row.micro_batches = micro_batches_of(ranks);
    row.memory = rank_memory(shape_, config_.lora, row.load, row.layout);
    const Coefficients& c = machine_.coefficients;
    const double tensors = row.memory.total() * c.memory_scale;
    row.beside_bytes = beside_tensors(shape_, row.layout, tensors, c);
    row.needed_bytes = tensors + row.beside_bytes;
    row.fits = row.needed_bytes <= machine_.machine.memory_bytes;
    row.time = step_time(shape_, config_.lora, row.load, row.layout, machine_);
    return row;
  }

  /// A layout that fits beats one that does not; then the faster one wins, or, if neither fits, the smaller
  /// one.
  static bool better(const ForecastRow& a, const ForecastRow& b) {
    if (a.fits != b.fits) return a.fits;
    return a.fits ? a.time.total() < b.time.total() : a.needed_bytes < b.needed_bytes;
  }

  ForecastRow best(int64_t ranks) const {
    std::optional<ForecastRow> best;
    for (int64_t shard = 1; shard <= ranks; ++shard) {
      if (ranks % shard != 0 || (shard_size_ > 0 && shard != shard_size_)) continue;
      for (Recompute recompute : recompute_) {
        const ForecastRow row = row_of(ranks, shard, recompute);
        if (!best || better(row, *best)) best = row;
      }
    }
    return *best;
  }

  /// The layout with the least memory: all ranks share the base, or as many as the user wants.
  ForecastRow least(int64_t ranks) const {
    return row_of(ranks, shard_size_ > 0 ? shard_size_ : ranks, recompute_.back());
  }

  const ModelShape& shape_;
  const CalibratedMachine& machine_;
  const RunConfig& config_;
  const CapacityConfig& capacity_;
  const int64_t shard_size_;  // 0: chosen
  const std::vector<Recompute> recompute_;
};

}  // namespace

double beside_tensors(const ModelShape& shape, const RankLayout& layout, double tensor_bytes,
                      const Coefficients& coefficients) {
  return coefficients.reserved_bytes < 0 ? gpu_beside(shape, layout, tensor_bytes).total()
                                         : coefficients.reserved_bytes;
}

Forecast make_forecast(const ModelShape& shape, const CalibratedMachine& machine, const RunConfig& config) {
  return Forecaster(shape, machine, config).run();
}

}  // namespace apportion
