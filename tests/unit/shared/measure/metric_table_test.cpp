// The table of metrics: every name once, with every column of a training log, and docs/metrics.md in step.
#include "shared/measure/metric_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/columns.h"

namespace apportion {
namespace {

std::filesystem::path docs() {
  std::filesystem::path path = __FILE__;  // tests/unit/shared/measure/: four folders below the root
  for (int i = 0; i < 5; ++i) path = path.parent_path();
  return path / "docs";
}

template <typename Metric>
std::set<std::string> names_of(const std::vector<Metric>& metrics) {
  std::set<std::string> names;
  for (const Metric& metric : metrics) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " appears twice";
    EXPECT_FALSE(std::string(metric.heading).empty() || std::string(metric.meaning).empty()) << metric.name;
  }
  return names;
}

TEST(MetricTable, HasEachNameOnceAndWhatItIsOf) {
  names_of(measured_metrics());
  names_of(retention_metrics());
  for (const MeasuredMetric& metric : measured_metrics()) {
    EXPECT_TRUE(metric.of_subject || metric.shares || metric.of_set) << metric.name;
    EXPECT_TRUE(metric.of_subject || !metric.stored) << metric.name << " has no value to store";
  }
  for (const RetentionMetric& metric : retention_metrics())
    EXPECT_NE(metric.of_group != nullptr, metric.of_summary != nullptr) << metric.name;
}

TEST(MetricTable, HasEveryColumnOfATrainingLog) {
  std::set<std::string> columns;
  TrainLog log;
  for_each_column(log, [&](const char* name, const auto&) { columns.insert(name); });
  EXPECT_EQ(names_of(training_metrics()), columns);
}

TEST(MetricTable, FindsValues) {
  DatasetMetrics metrics;
  metrics.worst_exact_error = 0.5;
  EXPECT_FALSE(measured_metric("worst_exact_error").of_set(metrics)) << "no subject has an exact error";
  metrics.subjects_with_exact = 1;
  EXPECT_EQ(measured_metric("worst_exact_error").of_set(metrics), 0.5);
  EXPECT_TRUE(std::isnan(measured_metric("kl").of_subject(SubjectMetrics{})));
  EXPECT_THROW(measured_metric("no such"), InternalError);
}

TEST(MetricTable, RoundsAsItSays) {
  EXPECT_EQ(metric_text(measured_metric("mae"), 0.12349), "0.123");
  EXPECT_EQ(metric_text(retention_metric("perplexity_ratio"), std::optional(1.1049)), "1.105 x");
  EXPECT_EQ(metric_text(measured_metric("mae"), std::nullopt), "-");
  EXPECT_EQ(metric_text(measured_metric("mae"), std::numeric_limits<double>::infinity()), "-");
}

TEST(MetricTable, TheCommittedPageIsCurrent) {
  EXPECT_EQ(read_file(docs() / "metrics.md"), format_metrics_page())
      << "run: apportion --dump-metrics-markdown > docs/metrics.md";
}

}  // namespace
}  // namespace apportion
