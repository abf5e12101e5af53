#include "coordinator/capacity/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "shared/model/step_time.h"

namespace apportion {
namespace {

/// One row as the cost model sees it, on the rank with the most micro-batches.
struct Observation {
  const ModelShape* shape;
  StepLoad load;
  RankLayout layout;
  double seconds = 0;
};

std::vector<Observation> observations_of(const std::vector<StudyRow>& rows, const RunConfig& config,
                                         const Machine& machine) {
  std::vector<Observation> observations;
  for (const StudyRow& row : rows) {
    const StepFigures figures = figures_of(row);
    if (!figures.exposed_seconds) continue;
    const int share = (row.point.micro_batches + row.point.ranks - 1) / row.point.ranks;
    RankLayout layout = step_layout(row.point, config, machine);
    layout.shard_size = 1;
    observations.push_back({&row.point.shape, study_tree(config.scale).load(share), layout,
                            figures.seconds - *figures.exposed_seconds});
  }
  return observations;
}

CalibratedMachine scaled(CalibratedMachine machine, double factor) {
  Coefficients& c = machine.coefficients;
  for (double* efficiency : {&c.matrix_efficiency, &c.attention_efficiency, &c.memory_efficiency})
    *efficiency = std::min(1.0, *efficiency * factor);
  return machine;
}

double misfit(const std::vector<Observation>& observations, const LoraConfig& lora,
              const CalibratedMachine& machine) {
  double sum = 0;
  for (const Observation& o : observations) {
    const double ratio = step_time(*o.shape, lora, o.load, o.layout, machine).total() / o.seconds;
    sum += std::log(ratio) * std::log(ratio);
  }
  return sum;
}

}  // namespace

CalibratedMachine calibrate(const std::vector<StudyRow>& rows, const RunConfig& config) {
  const Machine& machine = find_machine(config.capacity.machine);
  CalibratedMachine measured{machine, default_coefficients(machine)};
  double peak = 0;
  int ranks = 0;
  for (const StudyRow& row : rows) {
    for (const StepSample& sample : row.file.samples) {
      peak += sample.peak_flops;
      ++ranks;
    }
  }
  measured.machine.peak_flops = peak / ranks;
  const std::vector<Observation> observations = observations_of(rows, config, machine);
  double best = 1, least = std::numeric_limits<double>::infinity();
  constexpr double step = 1.01;  // far finer than such seconds are reproducible
  constexpr int steps = 460;     // factors from 0.01 to 100
  for (int i = -steps; i <= steps && !observations.empty(); ++i) {
    const double factor = std::pow(step, i);
    const double value = misfit(observations, config.lora, scaled(measured, factor));
    if (value < least) {
      least = value;
      best = factor;
    }
  }
  measured = scaled(measured, best);
  const double worst = observations.empty() ? 0 : std::sqrt(least / static_cast<double>(observations.size()));
  measured.coefficients.source = fmt::format("apportion scale: peak, one factor; {} rows, misfit {:.0f}%",
                                             observations.size(), 100 * worst);
  return measured;
}

std::string coefficients_json(const std::vector<StudyRow>& rows, const RunConfig& config) {
  const CalibratedMachine measured = calibrate(rows, config);
  const nlohmann::ordered_json json = {{"format", "apportion coefficients"},
                                       {"version", 1},
                                       {"machine", measured.machine.name},
                                       {"source", measured.coefficients.source},
                                       {"peak_flops", measured.machine.peak_flops},
                                       {"matrix_efficiency", measured.coefficients.matrix_efficiency},
                                       {"attention_efficiency", measured.coefficients.attention_efficiency},
                                       {"memory_efficiency", measured.coefficients.memory_efficiency}};
  return json.dump(2) + "\n";
}

}  // namespace apportion
