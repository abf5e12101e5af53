#include "coordinator/capacity/forecast_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "coordinator/capacity/prediction.h"
#include "coordinator/report/table.h"
#include "shared/base/file_system.h"
#include "shared/base/memory_limits.h"
#include "shared/base/utf8.h"
#include "shared/config/option_table.h"
#include "shared/model_files/model_files.h"

namespace apportion {
namespace {

/// Up to three significant digits: "0.04", "1.34", "73.2", "412".
std::string figure(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  return value >= 9.995 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string gibibytes(double bytes) { return figure(bytes / gibi); }

std::string count(double value) {
  if (value >= 1e9) return figure(value / 1e9) + "G";
  if (value >= 1e6) return figure(value / 1e6) + "M";
  return value >= 1e3 ? figure(value / 1e3) + "k" : figure(value);
}

std::string percent(double share) { return fmt::format("{:.0f}%", 100 * share); }

/// Tokens per second and rank, relative to the first row that fits: with one micro-batch per rank the
/// weak-scaling efficiency, with a fixed number of them the strong one.
double efficiency(const Forecast& forecast, const ForecastRow& row) {
  for (const ForecastRow& first : forecast.rows) {
    if (!first.fits) continue;
    auto rate = [](const ForecastRow& r) {
      return r.tokens_per_second() / static_cast<double>(r.layout.ranks);
    };
    return rate(row) / rate(first);
  }
  return 0;
}

double peak_share(const Forecast& forecast, const ForecastRow& row) {
  const double flops_of_one = row.time.flops / static_cast<double>(row.load.micro_batches);
  return flops_of_one * static_cast<double>(row.micro_batches) /
         (row.time.total() * forecast.machine.machine.peak_flops * static_cast<double>(row.layout.ranks));
}

std::string memory_table(const Forecast& forecast, const Style& style) {
  Table table({{"ranks"},
               {"shards"},
               {"recompute", Align::left},
               {"blocks"},
               {"gathered"},
               {"embedding"},
               {"vocabulary"},
               {"trained"},
               {"gradients"},
               {"activations"},
               {"workspace"},
               {"beside"},
               {"needed"},
               {"fits", Align::left}});
  for (const ForecastRow& row : forecast.rows) {
    const RankMemory& m = row.memory;
    table.add_row({std::to_string(row.layout.ranks), std::to_string(row.layout.shard_size),
                   row.layout.recompute == Recompute::always ? "yes" : "no", gibibytes(m.base),
                   gibibytes(m.gathered), gibibytes(m.embedding), gibibytes(m.vocabulary),
                   gibibytes(m.trained), gibibytes(m.gradients + m.gradient_sum), gibibytes(m.activations),
                   gibibytes(m.workspace), gibibytes(row.beside_bytes), gibibytes(row.needed_bytes),
                   row.fits ? "yes" : "no"});
  }
  return table.render(style, 2);
}

std::string time_table(const Forecast& forecast, const Style& style) {
  Table table({{"ranks"},
               {"shards"},
               {"s/step"},
               {"compute"},
               {"exposed"},
               {"gradients"},
               {"optimizer"},
               {"tokens/s"},
               {"tokens/s/rank"},
               {"of peak"},
               {"efficiency"}});
  for (const ForecastRow& row : forecast.rows) {
    const StepTime& t = row.time;
    if (!row.fits) {
      table.add_row({std::to_string(row.layout.ranks), std::to_string(row.layout.shard_size), "-", "-", "-",
                     "-", "-", "-", "-", "-", "-"});
      continue;
    }
    table.add_row({std::to_string(row.layout.ranks), std::to_string(row.layout.shard_size),
                   fmt::format("{:.3g}", t.total()), fmt::format("{:.3g}", t.compute),
                   fmt::format("{:.3g}", t.exposed), fmt::format("{:.3g}", t.gradient_sum),
                   fmt::format("{:.3g}", t.optimizer), count(row.tokens_per_second()),
                   count(row.tokens_per_second() / static_cast<double>(row.layout.ranks)),
                   percent(peak_share(forecast, row)), percent(efficiency(forecast, row))});
  }
  return table.render(style, 2);
}

std::string fewest_line(const Forecast& forecast) {
  if (forecast.fewest_ranks) {
    return fmt::format("fewest ranks that fit: {}", *forecast.fewest_ranks);
  }
  return fmt::format("no number of ranks up to {} fits: {} GiB are needed on each of {} with {} GiB",
                     most_ranks, gibibytes(forecast.least_bytes), most_ranks,
                     gibibytes(forecast.machine.machine.memory_bytes));
}

std::string base_name(const RunConfig& config) {
  const bool packed = config.base.type != BaseType::compute;
  const bool full_width = config.train_compute_type == ComputeType::float32;
  return packed ? config.value("base_type") : full_width ? "float32" : "bfloat16";
}

std::string beside_text(const Coefficients& coefficients) {
  return coefficients.reserved_bytes < 0
             ? "'beside' estimates what a GPU holds for CUDA, cuBLAS, NCCL and fragments"
             : "'beside' is " + gibibytes(coefficients.reserved_bytes) + " GiB";
}

std::string assumptions(const Forecast& forecast, const RunConfig& config) {
  const Machine& machine = forecast.machine.machine;
  const Coefficients& c = forecast.machine.coefficients;
  const CapacityConfig& plan = config.capacity;
  const bool full = plan.tuning == Tuning::full;
  std::string text = "assumptions\n";
  auto line = [&](const std::string& words) { text += "  " + words + "\n"; };
  line(fmt::format(
      "machine: {:.4g} TFLOP/s in bfloat16, {:.3g} in float32, {} GiB at {:.4g} GB/s; {} ranks a node at "
      "{:.4g} GB/s,",
      machine.peak_flops / 1e12, machine.float_flops / 1e12, gibibytes(machine.memory_bytes),
      machine.memory_bandwidth / 1e9, machine.ranks_per_node, machine.link_bandwidth / 1e9));
  line(fmt::format("         network {:.4g} GB/s a rank", machine.network_bandwidth / 1e9));
  line("         (" + machine.source + ")");
  line(fmt::format(
      "reached: {} of the peak in products, {} in attention, {} of memory bandwidth, {} of links, {} of the "
      "network;",
      percent(c.matrix_efficiency), percent(c.attention_efficiency), percent(c.memory_efficiency),
      percent(c.link_efficiency), percent(c.network_efficiency)));
  line(fmt::format("         transfers hide behind {} of a block's computing;", percent(c.link_overlap)));
  line(
      fmt::format("         hops of {:.3g} us in a node and {:.3g} us between nodes, {:.3g} ms a block{}, "
                  "{:.3g} ms a step",
                  1e6 * c.link_latency_s, 1e6 * c.network_latency_s, 1e3 * c.block_overhead_s,
                  c.block_overhead_s == block_launches * launch_s
                      ? fmt::format(" ({} launches counted, {:.3g} us each)", block_launches, 1e6 * launch_s)
                      : "",
                  1e3 * c.step_overhead_s));
  line("         (" + c.source + ")");
  line(
      "memory:  peak = what stays + micro-batches' gradients + max(buffer to sum them, activations + "
      "max(vocabulary, gathered + workspace));");
  line(fmt::format("         tensors times {:.3g}; {}; 'needed' is the total", c.memory_scale,
                   beside_text(c)));
  line(fmt::format("step:    {} distinct tokens a micro-batch, each attending to {}, log-probs at {}; {}",
                   plan.tokens, plan.path, std::min(plan.rows, plan.tokens),
                   plan.scaling == Scaling::weak ? "one micro-batch a rank (weak scaling)"
                                                 : fmt::format("{} micro-batches in all (strong scaling)",
                                                               config.batch.micro_batches)));
  line(full ? "trained: all weights; float32 masters, gradients and Adam sharded, reduced in float32"
            : fmt::format("trained: LoRA of rank {} ({} values), float32 on every rank, summed along a "
                          "binary tree; base frozen in {}",
                          config.lora.rank,
                          count(static_cast<double>(adapter_parameters(forecast.shape, config.lora))),
                          base_name(config)));
  line(
      "sharing: a block is gathered twice a step (forward, backward) for all micro-batches, one ahead; "
      "embedding");
  line(
      "         and head in chunks of float32 rows; shards 1: every rank has the whole base. The fastest "
      "that fits.");
  line("left out: slower ranks, data, checkpoints, other users of the network.");
  return text;
}

nlohmann::ordered_json row_json(const Forecast& forecast, const ForecastRow& row) {
  const RankMemory& m = row.memory;
  const StepTime& t = row.time;
  return {{"ranks", row.layout.ranks},
          {"shard_size", row.layout.shard_size},
          {"recompute", row.layout.recompute == Recompute::always},
          {"micro_batches_per_rank", row.load.micro_batches},
          {"fits", row.fits},
          {"needed_bytes", row.needed_bytes},
          {"beside_bytes", row.beside_bytes},
          {"bytes",
           {{"blocks", m.base},
            {"gathered", m.gathered},
            {"embedding", m.embedding},
            {"vocabulary", m.vocabulary},
            {"trained", m.trained},
            {"gradients", m.gradients},
            {"gradient_sum", m.gradient_sum},
            {"activations", m.activations},
            {"workspace", m.workspace},
            {"positions", m.positions}}},
          {"seconds",
           {{"step", t.total()},
            {"compute", t.compute},
            {"exposed", t.exposed},
            {"gradient_sum", t.gradient_sum},
            {"optimizer", t.optimizer},
            {"overhead", t.overhead}}},
          {"tokens_per_second", row.tokens_per_second()},
          {"peak_share", peak_share(forecast, row)},
          {"efficiency", efficiency(forecast, row)}};
}

}  // namespace

std::string forecast_page(const Forecast& forecast, const RunConfig& config, const Style& style) {
  std::string text =
      fmt::format("{}: {} parameters, on {}\n\nGiB on each rank\n", printable(style, config.data.model),
                  count(static_cast<double>(forecast.shape.parameters())), forecast.machine.machine.name);
  text += memory_table(forecast, style);
  text += "\nseconds of a step\n" + time_table(forecast, style);
  text += "\n" + fewest_line(forecast) + "\n\n" + assumptions(forecast, config);
  return text;
}

std::string forecast_json(const Forecast& forecast, const RunConfig& config) {
  nlohmann::ordered_json options = nlohmann::ordered_json::object();
  for (const auto& [key, value] : config.resolved) {
    if (key.rfind("plan_", 0) == 0 || key.rfind("lora_", 0) == 0 || key == "micro_batches" ||
        key == "shard_size" || key == "recompute" || key == "base_type")
      options[key] = value;
  }
  nlohmann::ordered_json json = {{"model", config.data.model},
                                 {"parameters", forecast.shape.parameters()},
                                 {"machine", forecast.machine.machine.name},
                                 {"coefficients", forecast.machine.coefficients.source},
                                 {"options", options},
                                 {"fewest_ranks", nullptr},
                                 {"ranks", nlohmann::ordered_json::array()}};
  if (forecast.fewest_ranks) json["fewest_ranks"] = *forecast.fewest_ranks;
  for (const ForecastRow& row : forecast.rows) json["ranks"].push_back(row_json(forecast, row));
  // A path may hold bytes that are not UTF-8.
  return json_text(json, 2) + "\n";
}

std::string render_forecast(const RunConfig& config) {
  const Forecast forecast =
      make_forecast(shape_of_model(config.data.model), planned_machine(config.capacity), config);
  return config.output.json ? forecast_json(forecast, config)
                            : forecast_page(forecast, config, detect_style(stdout));
}

}  // namespace apportion
