#include "coordinator/capacity/prediction.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "coordinator/capacity/forecast.h"
#include "coordinator/report/table.h"
#include "shared/base/file_system.h"
#include "shared/base/memory_limits.h"
#include "shared/base/utf8.h"
#include "shared/model/step_time.h"

namespace apportion {
namespace {

StepLoad load_of(const StudyPoint& point, const RunConfig& config) {
  return study_tree(config.scale).load((point.micro_batches + point.ranks - 1) / point.ranks);
}

std::string prediction_json(const std::vector<StudyPoint>& points, const RunConfig& config,
                            const CalibratedMachine& machine) {
  nlohmann::ordered_json json = {{"machine", machine.machine.name},
                                 {"coefficients", machine.coefficients.source},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const StudyPoint& point : points) {
    const StepPrediction expected = predict_step(point, config, machine);
    json["rows"].push_back({{"shape", point.name},
                            {"scaling", scaling_name(point.scaling)},
                            {"ranks", point.ranks},
                            {"shard_size", point.shard_size},
                            {"micro_batches", point.micro_batches},
                            {"seconds", expected.seconds},
                            {"tensor_bytes", expected.tensor_bytes},
                            {"process_bytes", expected.process_bytes}});
  }
  return json_text(json, 2) + "\n";
}

}  // namespace

std::string mebibytes_or_dash(double bytes) { return bytes > 0 ? fmt::format("{:.0f}", bytes / mebi) : "-"; }

CalibratedMachine planned_machine(const CapacityConfig& capacity) {
  const Machine& machine = find_machine(capacity.machine);
  if (capacity.coefficients.empty()) return {machine, default_coefficients(machine)};
  return parse_coefficients(read_file(capacity.coefficients), capacity.coefficients, capacity.machine);
}

RankLayout computing_layout(const RunConfig& config, const Machine& machine, double compute_bytes) {
  RankLayout layout;
  layout.base = config.base.type;
  layout.place = config.base.place;
  layout.compute_bytes = compute_bytes;
  layout.panels = machine.is_cpu && compute_bytes == 2;
  layout.joined = !machine.is_cpu;
  return layout;
}

RankLayout step_layout(const StudyPoint& point, const RunConfig& config, const Machine& machine) {
  RankLayout layout =
      computing_layout(config, machine, point.task.identity.at("compute_type") == "float32" ? 4 : 2);
  layout.ranks = point.ranks;
  layout.shard_size = config.ranks.resident == Residence::never ? point.shard_size : 1;
  // With `auto` the prediction assumes that the study's shapes fit without recomputing.
  if (config.ranks.recompute == Recompute::always) layout.recompute = Recompute::always;
  return layout;
}

StepPrediction predict_step(const StudyPoint& point, const RunConfig& config,
                            const CalibratedMachine& machine) {
  const RankLayout layout = step_layout(point, config, machine.machine);
  const StepLoad load = load_of(point, config);
  StepPrediction expected;
  expected.seconds = step_time(point.shape, config.lora, load, layout, machine).total();
  const bool gathers_apart = layout.shard_size == point.shard_size && !config.ranks.node_sharing;
  if (point.shard_size == 1 || gathers_apart)
    expected.tensor_bytes = rank_memory(point.shape, config.lora, load, layout).total();
  if (!machine.machine.is_cpu && expected.tensor_bytes > 0) {
    expected.process_bytes = expected.tensor_bytes +
                             beside_tensors(point.shape, layout, expected.tensor_bytes, machine.coefficients);
  }
  return expected;
}

std::string prediction_page(const std::vector<StudyPoint>& points, const RunConfig& config,
                            const CalibratedMachine& machine, const Style& style) {
  if (config.output.json) return prediction_json(points, config, machine);
  const bool gpu = !machine.machine.is_cpu;
  std::vector<Table::Column> columns = {
      {"shape", Align::left}, {"scaling", Align::left}, {"ranks"}, {"shards"}, {"micro-batches"}, {"s/step"},
      {"tensors MiB"}};
  if (gpu) columns.push_back({"all MiB"});
  Table table(columns);
  for (const StudyPoint& point : points) {
    const StepPrediction expected = predict_step(point, config, machine);
    std::vector<std::string> cells = {printable(style, point.name, 30),
                                      scaling_name(point.scaling),
                                      std::to_string(point.ranks),
                                      std::to_string(point.shard_size),
                                      std::to_string(point.micro_batches),
                                      fmt::format("{:.3g}", expected.seconds),
                                      mebibytes_or_dash(expected.tensor_bytes)};
    if (gpu) cells.push_back(mebibytes_or_dash(expected.process_bytes));
    table.add_row(std::move(cells));
  }
  return table.render(style, 2) + "\n" +
         painted(style, Paint::dim,
                 fmt::format("  expected, not measured, on {} ({})", machine.machine.name,
                             printable(style, machine.coefficients.source))) +
         "\n";
}

}  // namespace apportion
