#include "coordinator/report/view/cell_words.h"

#include <fmt/format.h>

#include "coordinator/report/view/cell_tables.h"
#include "shared/measure/metric_table.h"

namespace apportion {
namespace {

std::string task_glob(const std::string& directory, const std::string& id) {
  return directory + "/tasks/" + id.substr(0, 12) + "*";
}

}  // namespace

std::string set_text(const char* metric, const DatasetMetrics& metrics) {
  const MeasuredMetric& measured = measured_metric(metric);
  return metric_text(measured, measured.of_set(metrics));
}

std::string cell_title(const CellView& view, const Marks& marks) {
  const std::string target = view.target == "real" ? "" : marks.dot + ("target " + view.target);
  return view.dataset + target + marks.dot + view.method;
}

std::string cell_facts(const CellView& view, const Marks& marks) {
  const MeasureView& first = view.measures.front();
  return fmt::format("job {}{}model {}{}{} subjects{}{} wordings of {}{}{} rounds per subject", view.cell.job,
                     marks.dot, view.model, marks.dot, first.file.result.subjects, marks.dot,
                     first.file.result.wordings, first.test_set, marks.dot, first.metrics.rounds);
}

std::string cell_errors(const CellView& view, const Marks& marks) {
  if (view.measures.empty()) return "";
  const std::string& test_set = view.measures.front().test_set;
  const MeasureView *before = view.measure("before", test_set), *after = view.measure("after", test_set);
  if (!before || !after || !after->metrics.mae) return "";
  const std::string exact =
      after->metrics.exact_error ? "exact error " + set_text("exact_error", after->metrics) + marks.dot : "";
  return fmt::format("{}MAE {}{}{} (a perfect sampler: {}){}coverage {}", exact,
                     set_text("mae", before->metrics), marks.arrow, set_text("mae", after->metrics),
                     set_text("floor", after->metrics), marks.dot, set_text("coverage", after->metrics));
}

std::string correlation_line(const CellView& view, const Marks& marks) {
  std::string all;
  for (const MeasureView& measure : view.measures) {
    if (!measure.metrics.correlation) continue;
    all += fmt::format("{}{} {}", all.empty() ? "" : marks.dot, measure_name(measure),
                       set_text("correlation", measure.metrics));
  }
  return all.empty() ? "" : "correlation of subjects' exact shares with their targets: " + all;
}

std::vector<std::string> agreement_lines(const CellView& view) {
  std::vector<std::string> lines;
  for (const JudgeAgreement& pair : judge_agreements(view)) {
    const Agreement& agreement = pair.agreement;
    lines.push_back(
        fmt::format("judges {} and {} agree on {:.3f} of the rounds of {}, {} (Cohen's kappa {}, {} rounds)",
                    pair.one, pair.other, agreement.share, pair.when, pair.test_set,
                    agreement.kappa ? fmt::format("{:.3f}", *agreement.kappa) : "-", agreement.rounds));
  }
  return lines;
}

std::string retention_line(const RetentionSummary& summary) {
  auto text = [&](const char* name) {
    const RetentionMetric& metric = retention_metric(name);
    return fmt::format("{:.{}f}", metric.of_summary(summary), metric.decimals);
  };
  return fmt::format("plain text: perplexity {}, before {} ({} times); easy questions: mass {}, before {}",
                     text("perplexity"), text("base_perplexity"), text("perplexity_ratio"), text("easy_mass"),
                     text("base_easy_mass"));
}

std::string verdict_line(const RetentionSummary& summary) {
  if (summary.verdict.empty()) return "";
  return "do not ask this model anything else: " + summary.verdict;
}

std::vector<FileEntry> files_of(const std::string& directory, const std::vector<CellView>& cells,
                                const Marks& marks) {
  std::vector<FileEntry> files = {{directory + "/index.h5", "links to every result, by job and cell"}};
  for (const CellView& view : cells) {
    for (const MeasureView& measure : view.measures) {
      files.push_back({task_glob(directory, measure.file.record.task.id) + "/result.h5",
                       view.cell.name + marks.dot + measure_name(measure)});
    }
    if (view.training.empty()) continue;
    const Task& task = view.training.back().file.record.task;
    const bool all = trains_all_weights(task);
    files.push_back(
        {task_glob(directory, task.id) + (all ? "/weights" : "/adapter"),
         view.cell.name + marks.dot + (all ? "all weights, for transformers" : "the adapter, for peft")});
  }
  return files;
}

std::vector<std::string> python_lines(const std::string& directory, const CellView& view) {
  if (view.measures.empty()) return {};
  const MeasureView& measure = view.measures.back();
  const bool judged = !measure.judge.empty();
  const std::string name = measure.when + "/" + measure.test_set + (judged ? "/" + measure.judge : "");
  return {fmt::format("python3 -c 'import h5py; print(h5py.File(\"{}/index.h5\")[", directory),
          fmt::format("  \"jobs/{}/{}/{}{}/rounds/counts\"][:])'", view.cell.job, view.cell.name,
                      judged ? "judged/" : "", name)};
}

}  // namespace apportion
