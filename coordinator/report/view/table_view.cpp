#include "coordinator/report/view/table_view.h"

#include <fmt/format.h>

namespace apportion {

TableView::Column column_of(const MetricDescription& metric) { return column_of(metric, metric.heading); }

TableView::Column column_of(const MetricDescription& metric, const std::string& heading) {
  std::string meaning = metric.meaning;
  if (*metric.hidden != '\0') meaning += std::string("; - where ") + metric.hidden;
  return {heading, Align::right, std::move(meaning)};
}

TableView::Entry entry_of(const MetricDescription& metric, const std::optional<double>& value) {
  return {metric_text(metric, value), value};
}

TableView::Entry entry_of(const MeasuredMetric& metric, const DatasetMetrics& metrics) {
  TableView::Entry entry = entry_of(static_cast<const MetricDescription&>(metric), metric.of_set(metrics));
  if (!entry.value || !metric.subjects_with) return entry;
  const auto with = static_cast<size_t>(metric.subjects_with(metrics));
  if (with < metrics.subjects.size()) entry.text += fmt::format(" ({}/{})", with, metrics.subjects.size());
  return entry;
}

TableView::Entry number_entry(double value, int decimals) {
  return {fmt::format("{:.{}f}", value, decimals), value};
}

}  // namespace apportion
