#include "coordinator/capacity/study_page.h"

#include <nlohmann/json.hpp>

#include "coordinator/report/text/text_page.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

std::string layout_value(const StudyRow& row, const char* key) {
  return row.file.record.task.identity.at("layout").at(key).get<std::string>();
}

std::vector<double> by_rank(const StudyRow& row, double StepSample::*field) {
  std::vector<double> values;
  for (const StepSample& sample : row.file.samples) values.push_back(sample.*field);
  return values;
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

}  // namespace

std::string study_page(const std::vector<StudyRow>& rows, const StudyFiles& files, const Style& style) {
  std::string text = render_table(style, study_table(rows)) + "\n";
  for (const char* words :
       {"s/step: median over steps of the slowest rank's time. efficiency: tokens/s per rank, relative to "
        "the",
        "shape's first row. of peak: share of the ranks' matrix-multiply peaks, measured in the same "
        "processes.",
        "exposed: what a step takes beyond the same step with all of the base on every rank; -: nothing to",
        "compare with. MiB: high-water marks of the frozen base, of all tensors and of the process's memory, "
        "on",
        "the rank with the most; process, on a GPU: all memory in use there.",
        "expected: by the cost model, with plan_coefficients or the figures assumed for plan_machine."}) {
    text += painted(style, Paint::dim, std::string("  ") + words) + "\n";
  }
  text += "\n  coefficients for apportion plan: " + printable(style, files.coefficients) + "\n";
  text += "  page with charts: " + printable(style, files.page) + "\n";
  return text;
}

std::string study_json(const std::vector<StudyRow>& rows) {
  nlohmann::ordered_json json = {{"rows", nlohmann::ordered_json::array()}};
  for (const StudyRow& row : rows) json["rows"].push_back(row_json(rows, row));
  return json_text(json, 2) + "\n";
}

}  // namespace apportion
