#include "coordinator/capacity/study_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "coordinator/report/table.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr double mebi = 1048576;

double median(std::vector<double> values) {
  ensure(!values.empty(), "a median is of something");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Each step's seconds on its slowest rank.
std::vector<double> slowest(const std::vector<StepSample>& samples, std::vector<double> StepSample::*field) {
  std::vector<double> seconds = samples.front().*field;
  for (const StepSample& sample : samples) {
    for (size_t step = 0; step < seconds.size(); ++step)
      seconds[step] = std::max(seconds[step], (sample.*field)[step]);
  }
  return seconds;
}

double most(const std::vector<StepSample>& samples, double StepSample::*field) {
  double value = 0;
  for (const StepSample& sample : samples) value = std::max(value, sample.*field);
  return value;
}

/// The series that a row is compared within and that a plot's line shows.
std::string series(const StudyRow& row) { return row.point.name + ", " + scaling_name(row.point.scaling); }

std::string layout_value(const StudyRow& row, const char* key) {
  return row.file.record.task.identity.at("layout").at(key).get<std::string>();
}

std::vector<double> by_rank(const StudyRow& row, double StepSample::*field) {
  std::vector<double> values;
  for (const StepSample& sample : row.file.samples) values.push_back(sample.*field);
  return values;
}

/// gnuplot's data: one block per series and shard size, with its title in the first line.
std::string plot_data(const std::vector<StudyRow>& rows, int& blocks) {
  std::string text;
  std::vector<std::string> titles;
  auto title_of = [](const StudyRow& row) {
    return fmt::format("{}, shards {}", series(row), row.point.shard_size);
  };
  for (const StudyRow& row : rows) {
    if (std::find(titles.begin(), titles.end(), title_of(row)) == titles.end())
      titles.push_back(title_of(row));
  }
  for (const std::string& title : titles) {
    text += fmt::format("{}\"{}\"\n", text.empty() ? "" : "\n\n", title);
    for (const StudyRow& row : rows) {
      if (title_of(row) != title) continue;
      text += fmt::format("{} {:.6g} {:.6g}\n", row.point.ranks, figures_of(row).tokens_per_second(),
                          study_efficiency(rows, row));
    }
  }
  blocks = static_cast<int>(titles.size());
  return text;
}

std::string plot_script(int blocks) {
  auto plot = [&](const char* file, const char* what, int column) {
    return fmt::format(
        "set output '{}'\nset ylabel '{}'\nplot for [i=0:{}] 'scaling.dat' index i using 1:{} with "
        "linespoints "
        "title columnheader(1)\n",
        file, what, blocks - 1, column);
  };
  return "set terminal svg size 800,500\nset xlabel 'ranks'\nset yrange [0:*]\nset key outside below\n"
         "set datafile separator whitespace\n" +
         plot("tokens.svg", "tokens/s", 2) + plot("efficiency.svg", "tokens/s and rank against the first", 3);
}

nlohmann::ordered_json row_json(const std::vector<StudyRow>& rows, const StudyRow& row) {
  const StepFigures f = figures_of(row);
  nlohmann::ordered_json json = {{"shape", row.point.name},
                                 {"parameters", row.point.shape.parameters()},
                                 {"scaling", scaling_name(row.point.scaling)},
                                 {"ranks", row.point.ranks},
                                 {"shard_size", row.point.shard_size},
                                 {"micro_batches", row.point.micro_batches},
                                 {"resident", layout_value(row, "resident")},
                                 {"recompute", layout_value(row, "recompute")},
                                 {"node_sharing", layout_value(row, "node_sharing")},
                                 {"seconds", f.seconds},
                                 {"tokens", f.tokens},
                                 {"flops", f.flops},
                                 {"tokens_per_second", f.tokens_per_second()},
                                 {"efficiency", study_efficiency(rows, row)},
                                 {"peak_share", f.peak_share()},
                                 {"exposed_seconds", nullptr},
                                 {"peak_flops_by_rank", by_rank(row, &StepSample::peak_flops)},
                                 {"predicted_seconds", row.expected.seconds},
                                 {"predicted_tensor_bytes", row.expected.tensor_bytes},
                                 {"predicted_process_bytes", row.expected.process_bytes},
                                 {"tensor_bytes_by_rank", by_rank(row, &StepSample::tensor_bytes)},
                                 {"base_bytes_by_rank", by_rank(row, &StepSample::base_bytes)},
                                 {"process_bytes_by_rank", by_rank(row, &StepSample::process_bytes)},
                                 {"task", row.point.task.id}};
  if (f.exposed_seconds) json["exposed_seconds"] = *f.exposed_seconds;
  return json;
}

/// One row of the table, up to the process's memory.
std::vector<std::string> cells_of(const std::vector<StudyRow>& rows, const StudyRow& row,
                                  const Style& style) {
  const StepFigures f = figures_of(row);
  return {printable(style, row.point.name, 30),
          scaling_name(row.point.scaling),
          std::to_string(row.point.ranks),
          std::to_string(row.point.shard_size),
          std::to_string(row.point.micro_batches),
          fmt::format("{:.3g}", f.seconds),
          fmt::format("{:.3g}", row.expected.seconds),
          fmt::format("{:.0f}", f.tokens_per_second()),
          fmt::format("{:.0f}%", 100 * study_efficiency(rows, row)),
          fmt::format("{:.0f}%", 100 * f.peak_share()),
          f.exposed_seconds ? fmt::format("{:.0f}%", 100 * *f.exposed_seconds / f.seconds) : "-",
          fmt::format("{:.1f}", f.base_bytes / mebi),
          fmt::format("{:.0f}", f.tensor_bytes / mebi),
          mebibytes_or_dash(row.expected.tensor_bytes),
          fmt::format("{:.0f}", f.process_bytes / mebi)};
}

}  // namespace

StepFigures figures_of(const StudyRow& row) {
  const std::vector<StepSample>& samples = row.file.samples;
  StepFigures figures;
  figures.seconds = median(slowest(samples, &StepSample::seconds));
  figures.tokens = samples.front().tokens;
  figures.flops = samples.front().flops;
  for (const StepSample& sample : samples) figures.peak_flops += sample.peak_flops;
  figures.base_bytes = most(samples, &StepSample::base_bytes);
  figures.tensor_bytes = most(samples, &StepSample::tensor_bytes);
  figures.process_bytes = most(samples, &StepSample::process_bytes);
  if (!samples.front().resident_seconds.empty()) {
    figures.exposed_seconds = figures.seconds - median(slowest(samples, &StepSample::resident_seconds));
  }
  return figures;
}

double study_efficiency(const std::vector<StudyRow>& rows, const StudyRow& row) {
  auto rate = [](const StudyRow& r) { return figures_of(r).tokens_per_second() / r.point.ranks; };
  const auto first =
      std::find_if(rows.begin(), rows.end(), [&](const StudyRow& r) { return series(r) == series(row); });
  ensure(first != rows.end(), "a row is one of the study's");
  return rate(row) / rate(*first);
}

std::string study_page(const std::vector<StudyRow>& rows, const StudyFiles& files, const Style& style) {
  std::vector<Table::Column> columns = {{"shape", Align::left},
                                        {"scaling", Align::left},
                                        {"ranks"},
                                        {"shards"},
                                        {"micro-batches"},
                                        {"s/step"},
                                        {"expected"},
                                        {"tokens/s"},
                                        {"efficiency"},
                                        {"of peak"},
                                        {"exposed"},
                                        {"base MiB"},
                                        {"tensors MiB"},
                                        {"expected"},
                                        {"process MiB"}};
  const bool gpu = std::any_of(rows.begin(), rows.end(),
                               [](const StudyRow& row) { return row.expected.process_bytes > 0; });
  if (gpu) columns.push_back({"expected"});
  Table table(columns);
  for (const StudyRow& row : rows) {
    std::vector<std::string> cells = cells_of(rows, row, style);
    if (gpu) cells.push_back(mebibytes_or_dash(row.expected.process_bytes));
    table.add_row(std::move(cells));
  }
  std::string text = table.render(style, 2) + "\n";
  for (const char* words :
       {"s/step: median of the slowest rank's. efficiency: tokens/s and rank against the shape's first row.",
        "of peak: of the ranks' matrix-multiply peaks, measured in the same processes. exposed: the part of "
        "a step",
        "beyond the same step with all of the base on every rank; -: nothing to compare with. MiB: "
        "high-water",
        "marks of the frozen base, of all tensors and of the process's memory, on the rank with the most;",
        "process, on a GPU: all that is taken of it.",
        "expected: by the cost model, with plan_coefficients or what is assumed of plan_machine."}) {
    text += painted(style, Paint::dim, std::string("  ") + words) + "\n";
  }
  text += "\n  coefficients for apportion plan: " + printable(style, files.coefficients) + "\n";
  for (const std::string& plot : files.plots) text += "  plot: " + printable(style, plot) + "\n";
  return text;
}

std::string study_json(const std::vector<StudyRow>& rows) {
  nlohmann::ordered_json json = {{"rows", nlohmann::ordered_json::array()}};
  for (const StudyRow& row : rows) json["rows"].push_back(row_json(rows, row));
  return json_text(json, 2) + "\n";
}

std::vector<std::string> write_plots(const std::vector<StudyRow>& rows, const std::string& directory) {
  int blocks = 0;
  write_file(directory + "/scaling.dat", plot_data(rows, blocks));
  write_file(directory + "/scaling.gp", plot_script(blocks));
  std::vector<std::string> plots = {directory + "/tokens.svg", directory + "/efficiency.svg"};
  for (const std::string& plot : plots) std::filesystem::remove(plot);
  // The folder's name is passed in the environment, so that none of its characters mean anything to the
  // shell.
  ::setenv("APPORTION_PLOTS", directory.c_str(), 1);
  const int status = std::system(
      "cd \"$APPORTION_PLOTS\" && command -v gnuplot >/dev/null && gnuplot scaling.gp >/dev/null 2>&1");
  ::unsetenv("APPORTION_PLOTS");
  std::erase_if(plots, [](const std::string& plot) { return !std::filesystem::exists(plot); });
  return status == 0 ? plots : std::vector<std::string>{};
}

}  // namespace apportion
