#include "coordinator/report/report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "shared/base/utf8.h"
#include "shared/config/method.h"

namespace apportion {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json array = Json::array();
  for (double value : values) array.push_back(number(value));
  return array;
}

Json subject_json(const std::string& name, const std::vector<double>& target, const SubjectMetrics& metrics) {
  return {{"subject", name},
          {"target", numbers(target)},
          {"observed", numbers(metrics.observed)},
          {"mae", number(metrics.mae)},
          {"floor", number(metrics.floor)},
          {"exact_low", numbers(metrics.exact_low)},
          {"exact_high", numbers(metrics.exact_high)},
          {"exact_error", number(metrics.exact_error)},
          {"exact_error_per_wording", number(metrics.exact_error_per_wording)},
          {"expected_mae", number(metrics.expected_mae)},
          {"kl", number(metrics.kl)},
          {"coverage", number(metrics.coverage)},
          {"unexplored", number(metrics.unexplored)},
          {"unparsed_share", number(metrics.unparsed_share)}};
}

Json measure_json(const MeasureView& view) {
  const DatasetMetrics& metrics = view.metrics;
  const MeasureTables& tables = view.file.tables;
  Json json = {
      {"when", view.when},
      {"test_set", view.test_set},
      {"task", view.file.record.task.id},
      {"categories", tables.categories},
      {"wordings", view.file.result.wordings},
      {"rounds", metrics.rounds},
      {"mae", number(metrics.mae)},
      {"mae_deviation", number(metrics.mae_deviation)},
      {"floor", number(metrics.floor)},
      {"exact_error", number(metrics.exact_error)},
      {"worst_exact_error", metrics.subjects_with_exact ? number(metrics.worst_exact_error) : Json(nullptr)},
      {"exact_error_per_wording", number(metrics.exact_error_per_wording)},
      {"expected_mae", number(metrics.expected_mae)},
      {"kl", number(metrics.kl)},
      {"coverage", number(metrics.coverage)},
      {"agreement", number(metrics.agreement)},
      {"correlation", number(metrics.correlation)},
      {"unexplored", number(metrics.unexplored)},
      {"unparsed_share", number(metrics.unparsed_share)},
      {"subjects_with_mae", metrics.subjects_with_mae},
      {"subjects_with_exact", metrics.subjects_with_exact},
      {"subjects", Json::array()}};
  const bool stories = reads_stories(view.file.record.task);
  if (stories) json["no_story_share"] = number(metrics.no_story_share);
  if (!view.judge.empty()) {
    json["judge"] = view.judge;
    json["failed_share"] = number(metrics.failed_share);
  }
  for (size_t s = 0; s < tables.subjects.size(); ++s) {
    json["subjects"].push_back(subject_json(tables.subjects[s], tables.target[s], metrics.subjects[s]));
    if (stories) json["subjects"].back()["no_story_share"] = number(metrics.subjects[s].no_story_share);
  }
  return json;
}

Json group_json(const RetentionGroup& group) {
  return {{"prompts", group.prompts},
          {"kl_per_token", number(group.kl)},
          {"base_leak", number(group.base_leak)},
          {"leak", number(group.leak)},
          {"added_leak", number(group.added_leak)}};
}

Json retention_json(const RetentionFile& file) {
  const RetentionSummary summary = summary_of(file.result);
  Json json = {{"task", file.record.task.id},
               {"unrelated", group_json(summary.unrelated)},
               {"near", group_json(summary.near)},
               {"base_perplexity", number(summary.base_perplexity)},
               {"perplexity", number(summary.perplexity)},
               {"base_easy_mass", number(summary.base_mass)},
               {"easy_mass", number(summary.mass)},
               {"verdict", summary.verdict},
               {"kinds", Json::object()}};
  for (const RetentionGroup& kind : summary.kinds) json["kinds"][kind.name] = group_json(kind);
  return json;
}

Json training_json(const TrainView& view) {
  const TrainLog& log = view.file.log;
  double seconds = 0, tokens = 0;
  for (double value : log.seconds) seconds += value;
  for (double value : log.tokens) tokens += value;
  auto last = [](const std::vector<double>& column) {
    return column.empty() ? Json(nullptr) : number(column.back());
  };
  return {{"kind", view.kind},
          {"task", view.file.record.task.id},
          {"steps", log.step.size()},
          {"seconds", number(seconds)},
          {"tokens", number(tokens)},
          {"loss", last(log.loss)},
          {"kl", last(log.kl)},
          {"kto", last(log.kto)},
          {"z", last(log.z)},
          {"z_unclamped", last(log.z_unclamped)},
          {"z_clamped_steps", clamped_steps(log)},
          {"coverage", last(log.coverage)},
          {"grad_norm", last(log.grad_norm)},
          {"lr", last(log.lr)},
          {"adapter_digest", view.file.adapter_digest}};
}

// A path may hold bytes that are no UTF-8.
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
      entry[figure_columns()[i].json] = figure ? Json{{"mean", number(figure->mean)},
                                                      {"low", number(figure->low)},
                                                      {"high", number(figure->high)},
                                                      {"cells", figure->cells}}
                                               : Json(nullptr);
    }
  }
  return text_of(json);
}

}  // namespace apportion
