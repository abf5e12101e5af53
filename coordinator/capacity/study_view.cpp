#include "coordinator/capacity/study_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "shared/base/error.h"
#include "shared/base/memory_limits.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

using Entry = TableView::Entry;

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

/// Rows that are compared with each other have this in common.
std::string series(const StudyRow& row) { return row.point.name + ", " + scaling_name(row.point.scaling); }

Entry seconds_entry(double seconds) { return {fmt::format("{:.3g}", seconds), seconds}; }

Entry percent_entry(double share) { return {fmt::format("{:.0f}%", 100 * share), share}; }

Entry mebibytes_entry(double bytes, int decimals) { return number_entry(bytes / mebi, decimals); }

/// The cost model says 0 where it knows nothing.
Entry expected_entry(double bytes) { return bytes > 0 ? mebibytes_entry(bytes, 0) : Entry{not_known}; }

/// The columns up to what the process took.
std::vector<TableView::Column> study_columns() {
  return {
      {"shape", Align::left, "of the synthetic model", 30},
      {"scaling", Align::left, "weak: one micro-batch per rank; strong: one batch over all ranks"},
      {"ranks"},
      {"shards", Align::right, "ranks that hold the base together"},
      {"micro-batches", Align::right, "of a step, over all ranks"},
      {"s/step", Align::right, "median of the steps' times, each that of the slowest rank"},
      {"expected", Align::right, "s/step by the cost model"},
      {"tokens/s", Align::right, "distinct tokens of all ranks"},
      {"efficiency", Align::right, "tokens/s per rank, relative to the first row of the shape and scaling"},
      {"of peak", Align::right, "share of the ranks' matrix-multiply peaks, measured in the same processes"},
      {"exposed", Align::right, "what a step takes beyond the same step with the base on every rank"},
      {"base MiB", Align::right, "most that a rank held of the frozen base"},
      {"tensors MiB", Align::right, "most that a rank's tensors took"},
      {"expected", Align::right, "tensors MiB by the cost model"},
      {"process MiB", Align::right, "most that a rank's process took; on a GPU, all memory in use there"}};
}

std::vector<Entry> entries_of(const std::vector<StudyRow>& rows, const StudyRow& row) {
  const StepFigures f = figures_of(row);
  const StudyPoint& point = row.point;
  return {{point.name},
          {scaling_name(point.scaling)},
          number_entry(point.ranks, 0),
          number_entry(point.shard_size, 0),
          number_entry(point.micro_batches, 0),
          seconds_entry(f.seconds),
          seconds_entry(row.expected.seconds),
          number_entry(f.tokens_per_second(), 0),
          percent_entry(study_efficiency(rows, row)),
          percent_entry(f.peak_share()),
          f.exposed_seconds ? percent_entry(*f.exposed_seconds / f.seconds) : Entry{not_known},
          mebibytes_entry(f.base_bytes, 1),
          mebibytes_entry(f.tensor_bytes, 0),
          expected_entry(row.expected.tensor_bytes),
          mebibytes_entry(f.process_bytes, 0)};
}

/// "93%", or "88 to 93%".
std::string percent_range(std::vector<double> shares) {
  std::sort(shares.begin(), shares.end());
  const std::string low = fmt::format("{:.0f}", 100 * shares.front()),
                    high = fmt::format("{:.0f}%", 100 * shares.back());
  return low + "%" == high ? high : low + " to " + high;
}

/// "weak scaling keeps 93% of the tokens/s per rank on 4 ranks, "; empty where one number of ranks was
/// measured.
std::string efficiency_words(const std::vector<StudyRow>& rows, Scaling scaling) {
  int fewest = 0, ranks = 0;
  for (const StudyRow& row : rows) {
    if (row.point.scaling != scaling) continue;
    fewest = fewest == 0 ? row.point.ranks : std::min(fewest, row.point.ranks);
    ranks = std::max(ranks, row.point.ranks);
  }
  if (ranks == fewest) return "";
  std::vector<double> efficiencies;
  for (const StudyRow& row : rows) {
    if (row.point.scaling == scaling && row.point.ranks == ranks)
      efficiencies.push_back(study_efficiency(rows, row));
  }
  return fmt::format("{} scaling keeps {} of the tokens/s per rank on {} ranks, ", scaling_name(scaling),
                     percent_range(efficiencies), ranks);
}

/// Each text once, in the order of the rows.
template <typename TextOf>
std::vector<std::string> texts_of(const std::vector<StudyRow>& rows, const TextOf& text_of) {
  std::vector<std::string> texts;
  for (const StudyRow& row : rows) {
    const std::string text = text_of(row);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  return texts;
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

TableView study_table(const std::vector<StudyRow>& rows) {
  TableView table{study_columns(), {}};
  const bool gpu = std::any_of(rows.begin(), rows.end(),
                               [](const StudyRow& row) { return row.expected.process_bytes > 0; });
  if (gpu) table.columns.push_back({"expected", Align::right, "process MiB by the cost model"});
  for (const StudyRow& row : rows) {
    table.rows.push_back(entries_of(rows, row));
    if (gpu) table.rows.back().push_back(expected_entry(row.expected.process_bytes));
  }
  return table;
}

std::vector<StudyLine> study_lines(const std::vector<StudyRow>& rows, Scaling scaling) {
  std::vector<StudyLine> lines;
  for (const StudyRow& row : rows) {
    if (row.point.scaling != scaling) continue;
    const std::string name = fmt::format("{}, shards {}", row.point.name, row.point.shard_size);
    auto line =
        std::find_if(lines.begin(), lines.end(), [&](const StudyLine& known) { return known.name == name; });
    if (line == lines.end()) line = lines.insert(lines.end(), {name, {}, {}, {}});
    const double ranks = row.point.ranks;
    const StepFigures figures = figures_of(row);
    line->tokens_per_second.emplace_back(ranks, figures.tokens_per_second());
    line->expected.emplace_back(ranks, figures.tokens / row.expected.seconds);
    line->efficiency.emplace_back(ranks, study_efficiency(rows, row));
  }
  return lines;
}

std::string study_asked(const std::vector<StudyRow>& rows) {
  const auto shapes = texts_of(rows, [](const StudyRow& row) { return row.point.name; });
  const auto ranks = texts_of(rows, [](const StudyRow& row) { return std::to_string(row.point.ranks); });
  const auto scalings = texts_of(rows, [](const StudyRow& row) { return scaling_name(row.point.scaling); });
  return fmt::format("how fast training steps of {} are on {} {}, in {} scaling.",
                     shapes.size() == 1 ? shapes.front() : std::to_string(shapes.size()) + " shapes",
                     join(ranks, ", "), ranks == std::vector<std::string>{"1"} ? "rank" : "ranks",
                     join(scalings, " and "));
}

std::string study_outcome(const std::vector<StudyRow>& rows) {
  std::vector<double> off;
  for (const StudyRow& row : rows) off.push_back(figures_of(row).seconds / row.expected.seconds);
  return efficiency_words(rows, Scaling::weak) + efficiency_words(rows, Scaling::strong) + "steps took " +
         percent_range(off) + " of what the cost model expected.";
}

}  // namespace apportion
