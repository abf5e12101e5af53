// The one table of metrics: name, heading, meaning, unit, decimals, and when a metric is not shown. Result
// files, JSON, tables, the page and docs/metrics.md have them from here. How a metric is computed stands in
// metrics.cpp and retention.cpp; that of a training step in the worker.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/measure/metrics.h"
#include "shared/measure/retention.h"

namespace apportion {

/// Of a subject's rounds as many must have a category, or its sampled shares say nothing.
inline constexpr double least_parsed = 0.5;
/// More unexplored probability than this, and a subject's exact shares say nothing.
inline constexpr double most_unexplored = 0.5;

/// What every metric has, whatever it is of.
struct MetricDescription {
  const char* name;         // in result files and JSON
  const char* heading;      // above a column of a table
  const char* meaning;      // one sentence
  const char* unit;         // "share", "nats"; empty: a plain number
  int decimals;             // as people see it; files, JSON and CSV have all digits
  const char* hidden;       // when it is "-", and why; empty: it is always known
  const char* suffix = "";  // behind the number as people see it
};

/// Whether a metric is of all answers, or only where these are stories, or where a judge read them.
enum class MetricExtent { all, stories, judged };

/// A metric of a measured test set: of each subject, of all together, or both (then mostly the mean).
struct MeasuredMetric : MetricDescription {
  MetricExtent extent = MetricExtent::all;
  bool stored = false;                                                    // below /metrics of a result file
  double (*of_subject)(const SubjectMetrics&) = nullptr;                  // NaN where it means nothing
  const std::vector<double>& (*shares)(const SubjectMetrics&) = nullptr;  // one a category
  std::optional<double> (*of_set)(const DatasetMetrics&) = nullptr;
  int (*subjects_with)(const DatasetMetrics&) = nullptr;  // how many the mean is over, where that is said
};

/// A column of a training log. `best` is the value that it would have if all came out as asked.
struct TrainingMetric : MetricDescription {
  std::optional<double> best = std::nullopt;
};

/// What training changed elsewhere: of a group of keep prompts, or of all that was looked at.
struct RetentionMetric : MetricDescription {
  double (*of_group)(const RetentionGroup&) = nullptr;
  double (*of_summary)(const RetentionSummary&) = nullptr;
};

/// In the order in which files and JSON have them.
const std::vector<MeasuredMetric>& measured_metrics();
const std::vector<TrainingMetric>& training_metrics();
const std::vector<RetentionMetric>& retention_metrics();

/// The metric of that name, which is one of the tables' (else InternalError).
const MeasuredMetric& measured_metric(std::string_view name);
const TrainingMetric& training_metric(std::string_view name);
const RetentionMetric& retention_metric(std::string_view name);

/// The number with the metric's decimals and suffix; "-" for what is not known or not finite.
std::string metric_text(const MetricDescription& metric, double value);
std::string metric_text(const MetricDescription& metric, const std::optional<double>& value);

/// docs/metrics.md.
std::string format_metrics_page();

}  // namespace apportion
