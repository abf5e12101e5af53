// The one table of metrics: name, heading, meaning, unit, decimals, and when a metric is not shown. Result
// files, JSON, tables, the page and docs/metrics.md take them from here. metrics.cpp and retention.cpp
// compute the metrics; the worker computes those of a training step.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/measure/metrics.h"
#include "shared/measure/retention.h"

namespace apportion {

/// At least this share of a subject's rounds must have a category, or its sampled shares say nothing.
inline constexpr double least_parsed = 0.5;
/// With more unexplored probability than this, a subject's exact shares say nothing.
inline constexpr double most_unexplored = 0.5;

/// What every metric has.
struct MetricDescription {
  const char* name;         // in result files and JSON
  const char* heading;      // above a column of a table
  const char* meaning;      // one sentence
  const char* unit;         // "share", "nats"; empty: a plain number
  int decimals;             // as people see it; files, JSON and CSV have all digits
  const char* hidden;       // when it is "-", and why; empty: always known
  const char* suffix = "";  // after the number, as people see it
};

/// Whether a metric covers all answers, or exists only for stories, or only where a judge read them.
enum class MetricExtent { all, stories, judged };

/// A metric of a measured test set: of each subject, of all together, or both (then usually the mean).
struct MeasuredMetric : MetricDescription {
  MetricExtent extent = MetricExtent::all;
  bool stored = false;                                                    // below /metrics of a result file
  double (*of_subject)(const SubjectMetrics&) = nullptr;                  // NaN where meaningless
  const std::vector<double>& (*shares)(const SubjectMetrics&) = nullptr;  // one per category
  std::optional<double> (*of_set)(const DatasetMetrics&) = nullptr;
  int (*subjects_with)(const DatasetMetrics&) = nullptr;  // how many subjects the mean covers, where that is
                                                          // stated
};

/// A column of a training log. `best` is the value it would have if everything came out as asked.
struct TrainingMetric : MetricDescription {
  std::optional<double> best = std::nullopt;
};

/// What training changed elsewhere: for a group of keep prompts, or for everything that was looked at.
struct RetentionMetric : MetricDescription {
  double (*of_group)(const RetentionGroup&) = nullptr;
  double (*of_summary)(const RetentionSummary&) = nullptr;
};

/// In the order that files and JSON have them.
const std::vector<MeasuredMetric>& measured_metrics();
const std::vector<TrainingMetric>& training_metrics();
const std::vector<RetentionMetric>& retention_metrics();

/// The metric of that name, which must be in the table (else InternalError).
const MeasuredMetric& measured_metric(std::string_view name);
const TrainingMetric& training_metric(std::string_view name);
const RetentionMetric& retention_metric(std::string_view name);

/// The number with the metric's decimals and suffix; "-" when it is unknown or not finite.
std::string metric_text(const MetricDescription& metric, double value);
std::string metric_text(const MetricDescription& metric, const std::optional<double>& value);

/// docs/metrics.md.
std::string format_metrics_page();

}  // namespace apportion
