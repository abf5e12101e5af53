#include "coordinator/report/json/report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "shared/base/utf8.h"
#include "shared/config/method.h"
#include "shared/measure/metric_table.h"
#include "shared/store/columns.h"

namespace apportion {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

/// A metric without decimals is a whole number: a count.
Json metric_number(const MetricDescription& metric, const std::optional<double>& value) {
  if (value && std::isfinite(*value) && metric.decimals == 0) return static_cast<int64_t>(*value);
  return number(value);
}

Json numbers(const std::vector<double>& values) {
  Json array = Json::array();
  for (double value : values) array.push_back(number(value));
  return array;
}

/// Whether the measure, and each of its subjects, has metrics of this extent.
bool has_metric(const MeasureView& view, MetricExtent extent) {
  if (extent == MetricExtent::all) return true;
  return extent == MetricExtent::judged ? !view.judge.empty() : reads_stories(view.file.record.task);
}

Json subject_json(const MeasureView& view, size_t s) {
  const MeasureTables& tables = view.file.tables;
  const SubjectMetrics& subject = view.metrics.subjects[s];
  Json json = {{"subject", tables.subjects[s]}, {"target", numbers(tables.target[s])}};
  for (const MeasuredMetric& metric : measured_metrics()) {
    if (!has_metric(view, metric.extent)) continue;
    if (metric.shares) json[metric.name] = numbers(metric.shares(subject));
    if (metric.of_subject) json[metric.name] = number(metric.of_subject(subject));
  }
  return json;
}

/// Adds the whole test set's metrics of this extent.
void add_metrics(const DatasetMetrics& metrics, MetricExtent extent, Json& json) {
  for (const MeasuredMetric& metric : measured_metrics()) {
    if (metric.extent == extent && metric.of_set)
      json[metric.name] = metric_number(metric, metric.of_set(metrics));
  }
}

Json measure_json(const MeasureView& view) {
  const DatasetMetrics& metrics = view.metrics;
  const MeasureTables& tables = view.file.tables;
  Json json = {{"when", view.when},
               {"test_set", view.test_set},
               {"task", view.file.record.task.id},
               {"categories", tables.categories},
               {"wordings", view.file.result.wordings},
               {"rounds", metrics.rounds}};
  add_metrics(metrics, MetricExtent::all, json);
  json["subjects_with_mae"] = metrics.subjects_with_mae;
  json["subjects_with_exact"] = metrics.subjects_with_exact;
  Json& subjects = json["subjects"] = Json::array();
  for (size_t s = 0; s < tables.subjects.size(); ++s) subjects.push_back(subject_json(view, s));
  if (has_metric(view, MetricExtent::stories)) add_metrics(metrics, MetricExtent::stories, json);
  if (has_metric(view, MetricExtent::judged)) {
    json["judge"] = view.judge;
    add_metrics(metrics, MetricExtent::judged, json);
  }
  return json;
}

Json group_json(const RetentionGroup& group) {
  Json json = {{"prompts", group.prompts}};
  for (const RetentionMetric& metric : retention_metrics()) {
    if (metric.of_group && !json.contains(metric.name)) json[metric.name] = number(metric.of_group(group));
  }
  return json;
}

Json retention_json(const RetentionFile& file) {
  const RetentionSummary summary = summary_of(file.result);
  Json json = {{"task", file.record.task.id},
               {"unrelated", group_json(summary.unrelated)},
               {"near", group_json(summary.near)}};
  for (const char* name : {"base_perplexity", "perplexity", "base_easy_mass", "easy_mass"})
    json[name] = number(retention_metric(name).of_summary(summary));
  json["verdict"] = summary.verdict;
  json["kinds"] = Json::object();
  for (const RetentionGroup& kind : summary.kinds) json["kinds"][kind.name] = group_json(kind);
  return json;
}

/// Adds the last value of each of these columns of the log.
void add_last(const TrainLog& log, std::initializer_list<std::string_view> names, Json& json) {
  for (const std::string_view name : names) {
    for_each_column(log, [&](const char* column, const std::vector<double>& values) {
      if (column == name) json[column] = values.empty() ? Json(nullptr) : number(values.back());
    });
  }
}

Json training_json(const TrainView& view) {
  const TrainLog& log = view.file.log;
  double seconds = 0, tokens = 0;
  for (double value : log.seconds) seconds += value;
  for (double value : log.tokens) tokens += value;
  Json json = {{"kind", view.kind},
               {"task", view.file.record.task.id},
               {"steps", log.step.size()},
               {"seconds", number(seconds)},
               {"tokens", number(tokens)}};
  add_last(log, {"loss", "kl", "kto", "z", "z_unclamped"}, json);
  json["z_clamped_steps"] = clamped_steps(log);
  add_last(log, {"coverage", "grad_norm", "lr"}, json);
  json["adapter_digest"] = view.file.adapter_digest;
  return json;
}

// A path may hold bytes that are not UTF-8.
std::string text_of(const Json& json) { return json_text(json, 2) + "\n"; }

Json judges_json(const JudgeAgreement& pair) {
  return {{"when", pair.when},
          {"test_set", pair.test_set},
          {"judges", {pair.one, pair.other}},
          {"rounds", pair.agreement.rounds},
          {"share", number(pair.agreement.share)},
          {"kappa", number(pair.agreement.kappa)}};
}

}  // namespace

std::string report_json(const std::string& directory, const std::vector<CellView>& cells) {
  Json json = {{"directory", directory}, {"cells", Json::array()}};
  for (const CellView& view : cells) {
    Json cell = {{"job", view.cell.job},      {"cell", view.cell.name},    {"dataset", view.dataset},
                 {"method", view.method},     {"model", view.model},       {"target", view.target},
                 {"measures", Json::array()}, {"training", Json::array()}, {"problems", view.problems}};
    if (!view.cell.about.swept.empty()) {
      cell["swept"] = Json::object();
      for (const auto& [key, value] : view.cell.about.swept) cell["swept"][key] = value;
    }
    for (const MeasureView& measure : view.measures) cell["measures"].push_back(measure_json(measure));
    for (const TrainView& training : view.training) cell["training"].push_back(training_json(training));
    for (const JudgeAgreement& pair : judge_agreements(view)) cell["judges"].push_back(judges_json(pair));
    if (view.retention) cell["retention"] = retention_json(*view.retention);
    json["cells"].push_back(std::move(cell));
  }
  return text_of(json);
}

std::string pivot_json(const std::string& directory, const Pivot& pivot,
                       const std::vector<std::string>& problems) {
  Json json = {{"directory", directory},     {"by", pivot.keys},         {"rows", Json::array()},
               {"left_out", pivot.left_out}, {"missing", pivot.missing}, {"problems", problems}};
  for (const PivotRow& row : pivot.rows) {
    Json& entry = json["rows"].emplace_back(
        Json{{"job", row.job}, {"test_set", row.test_set}, {"cells", row.cells}, {"values", Json::object()}});
    for (size_t i = 0; i < pivot.keys.size(); ++i) entry["values"][pivot.keys[i]] = row.values[i];
    for (size_t i = 0; i < row.figures.size(); ++i) {
      const std::optional<PivotFigure>& figure = row.figures[i];
      entry[figure_columns()[i].metric.name] = figure ? Json{{"mean", number(figure->mean)},
                                                             {"low", number(figure->low)},
                                                             {"high", number(figure->high)},
                                                             {"cells", figure->cells}}
                                                      : Json(nullptr);
    }
  }
  return text_of(json);
}

}  // namespace apportion
