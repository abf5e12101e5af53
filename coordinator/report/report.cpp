#include "coordinator/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <optional>

#include "coordinator/report/cell_figures.h"
#include "coordinator/report/gate.h"
#include "coordinator/report/pivot.h"
#include "coordinator/report/report_data.h"
#include "coordinator/report/report_json.h"
#include "coordinator/report/retention_table.h"
#include "coordinator/report/subject_table.h"
#include "coordinator/report/sweep_table.h"
#include "coordinator/report/table.h"
#include "shared/base/error.h"
#include "shared/base/standard_output.h"
#include "shared/config/method.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr int page = 112;  // columns of rules and headings
constexpr const char* none = "-";

class Page {
 public:
  Page(const std::string& directory, const Style& style) : directory_(directory), style_(style) {}

  std::string render(const std::vector<CellView>& cells) {
    for (const CellView& view : cells) cell(view);
    if (cells.size() > 1) side_by_side(cells);
    legend();
    files(cells);
    next(cells);
    return text_;
  }

  /// Many cells: a line each; `--cell` shows one whole.
  std::string render(const std::vector<CellFigures>& cells) {
    heading(fmt::format("{} cells", cells.size()));
    text_ += render_sweep(style_, cells);
    problems(problems_of(cells));
    line();
    figures_legend();
    heading("next");
    line(fmt::format("  apportion report {} --cell '{}'", shown(directory_), shown(cells.front().name)));
    line(fmt::format("  apportion report {} --by {}", shown(directory_), shown(swept_keys(cells).front())));
    commands();
    return text_;
  }

  /// The same by some of the swept keys.
  std::string render(const Pivot& pivot, const std::vector<CellFigures>& cells) {
    heading("by " + shown(join(pivot.keys, ", ")));
    text_ += render_pivot(style_, pivot);
    problems(problems_of(cells));
    line();
    line(dim("  means over all that else was swept; below them lowest..highest."));
    figures_legend();
    return text_;
  }

 private:
  void figures_legend() {
    legend();
    line(
        dim("  leak added, KL/token and perplexity: what training did to other questions and a plain text "
            "(docs/retention.md)."));
    line();
  }

  bool unicode() const { return style_.charset == Charset::unicode; }
  std::string dot() const { return unicode() ? " · " : ", "; }
  std::string arrow() const { return unicode() ? " → " : " -> "; }
  std::string dim(const std::string& text) const { return painted(style_, Paint::dim, text); }
  std::string shown(const std::string& text, int width = 0) const { return printable(style_, text, width); }
  void line(const std::string& text = "") { text_ += text + "\n"; }

  void heading(const std::string& title) {
    std::string start = unicode() ? "━━ " : "== ", rule;
    for (int i = columns_of(start + title) + 1; i < page; ++i) rule += unicode() ? "━" : "=";
    line(dim(start) + painted(style_, Paint::bold, title) + " " + dim(rule));
  }

  void cell(const CellView& view) {
    const std::string target = view.target == "real" ? "" : dot() + "target " + view.target;
    heading(shown(view.dataset + target + dot() + view.method));
    if (!view.measures.empty()) {
      const MeasureView& first = view.measures.front();
      facts(view, first);
      const MeasureView* before = view.measure("before", first.test_set);
      const MeasureView* after = view.measure("after", first.test_set);
      line();
      if (before || after) text_ += render_subjects(style_, before, after);
      line();
      summary(view);
    }
    if (view.retention) text_ += "\n" + render_retention(style_, view.retention->result);
    if (!view.training.empty()) training(view);
    problems(view.problems);
    line();
  }

  void facts(const CellView& view, const MeasureView& first) {
    line("  " +
         dim(shown(fmt::format("job {}{}model {}{}{} subjects{}{} wordings of {}{}{} rounds per subject",
                               view.cell.job, dot(), view.model, dot(), first.file.result.subjects, dot(),
                               first.file.result.wordings, first.test_set, dot(), first.metrics.rounds))));
    const MeasureView* before = view.measure("before", first.test_set);
    const MeasureView* after = view.measure("after", first.test_set);
    if (!before || !after || !after->metrics.mae) return;
    std::string exact =
        after->metrics.exact_error ? "exact error " + decimals(after->metrics.exact_error) + dot() : "";
    line(fmt::format("  {}MAE {}{}{} (a perfect sampler: {}){}coverage {}", exact,
                     decimals(before->metrics.mae), arrow(), decimals(after->metrics.mae),
                     decimals(after->metrics.floor), dot(), decimals(after->metrics.coverage)));
  }

  // Mean over the subjects that have it; how many, when not all have.
  static std::string mean_cell(const std::optional<double>& value, int with, size_t subjects) {
    if (!value) return none;
    return decimals(value) +
           (static_cast<size_t>(with) < subjects ? fmt::format(" ({}/{})", with, subjects) : "");
  }

  void summary(const CellView& view) {
    Table table({{"means", Align::left},
                 {"exact error"},
                 {"worst"},
                 {"one wording"},
                 {"MAE"},
                 {"floor"},
                 {"expected"},
                 {"KL"},
                 {"coverage"},
                 {"agree"},
                 {"unexplored"},
                 {"unparsed"}});
    for (const MeasureView& measure : view.measures) {
      if (is_of_stories(measure)) continue;
      const DatasetMetrics& m = measure.metrics;
      size_t subjects = m.subjects.size();
      table.add_row({shown(measure.when + ", " + set_name(measure)),
                     mean_cell(m.exact_error, m.subjects_with_exact, subjects),
                     m.subjects_with_exact ? decimals(m.worst_exact_error) : none,
                     decimals(m.exact_error_per_wording), mean_cell(m.mae, m.subjects_with_mae, subjects),
                     decimals(m.floor), decimals(m.expected_mae), decimals(m.kl), decimals(m.coverage),
                     decimals(m.agreement), decimals(m.unexplored), decimals(m.unparsed_share)});
    }
    if (!std::all_of(view.measures.begin(), view.measures.end(), is_of_stories)) {
      text_ += table.render(style_, 2);
    }
    correlations(view);
    stories(view);
  }

  void correlations(const CellView& view) {
    std::string all;
    for (const MeasureView& measure : view.measures) {
      if (!measure.metrics.correlation) continue;
      all += fmt::format("{}{}, {} {}", all.empty() ? "" : dot(), measure.when, set_name(measure),
                         decimals(measure.metrics.correlation));
    }
    if (!all.empty()) line("  correlation of subjects' exact shares with their targets: " + shown(all));
  }

  static bool is_of_stories(const MeasureView& measure) { return reads_stories(measure.file.record.task); }

  /// A row for each judge of each set of stories: nothing of them is exact.
  void stories(const CellView& view) {
    if (std::none_of(view.measures.begin(), view.measures.end(), is_of_stories)) return;
    Table table({{"stories", Align::left},
                 {"judge", Align::left},
                 {"MAE"},
                 {"floor"},
                 {"KL"},
                 {"coverage"},
                 {"no story"},
                 {"failed"},
                 {"unparsed in all"}});
    for (const MeasureView& measure : view.measures) {
      if (!is_of_stories(measure)) continue;
      const DatasetMetrics& m = measure.metrics;
      table.add_row({shown(measure.when + ", " + measure.test_set),
                     measure.judge.empty() ? none : shown(measure.judge, 32),
                     mean_cell(m.mae, m.subjects_with_mae, m.subjects.size()), decimals(m.floor),
                     decimals(m.kl), decimals(m.coverage), decimals(m.no_story_share),
                     decimals(m.failed_share), decimals(m.unparsed_share)});
    }
    text_ += table.render(style_, 2);
    agreements(view);
  }

  void agreements(const CellView& view) {
    for (const JudgeAgreement& pair : judge_agreements(view)) {
      line("  " + shown(fmt::format(
                      "judges {} and {} agree on {} of the rounds of {}, {} (Cohen's kappa {}, {} rounds)",
                      pair.one, pair.other, decimals(pair.agreement.share), pair.when, pair.test_set,
                      decimals(pair.agreement.kappa), pair.agreement.rounds)));
    }
  }

  /// A row for each cell, of what was measured last on its first test set.
  void side_by_side(const std::vector<CellView>& cells) {
    heading("side by side");
    Table table({{"cell", Align::left},
                 {"test set", Align::left},
                 {"exact error"},
                 {"worst"},
                 {"MAE"},
                 {"floor"},
                 {"coverage"},
                 {"unexplored"},
                 {"unparsed"}});
    for (const CellView& view : cells) {
      const MeasureView* last = view.headline();
      if (!last) continue;
      const DatasetMetrics& m = last->metrics;
      const size_t subjects = m.subjects.size();
      table.add_row({shown(view.cell.name, 32), shown(last->test_set),
                     mean_cell(m.exact_error, m.subjects_with_exact, subjects),
                     m.subjects_with_exact ? decimals(m.worst_exact_error) : none,
                     mean_cell(m.mae, m.subjects_with_mae, subjects), decimals(m.floor), decimals(m.coverage),
                     decimals(m.unexplored), decimals(m.unparsed_share)});
    }
    text_ += table.render(style_, 2);
    line();
  }

  void training(const CellView& view) {
    Table table({{"training", Align::left},
                 {"steps"},
                 {"loss"},
                 {"KL"},
                 {"KTO"},
                 {"z"},
                 {"z<0"},
                 {"coverage"},
                 {"gradient"},
                 {"tokens/step"},
                 {"s/step"},
                 {"seconds"}});
    for (const TrainView& training : view.training) {
      const TrainLog& log = training.file.log;
      auto sum = [](const std::vector<double>& column) {
        return std::accumulate(column.begin(), column.end(), 0.0);
      };
      auto last = [](const std::vector<double>& column) {
        return column.empty() ? std::string(none) : decimals(column.back());
      };
      const double steps = std::max<double>(1, static_cast<double>(log.step.size()));
      table.add_row({shown(training.file.record.task.label), std::to_string(log.step.size()), last(log.loss),
                     last(log.kl), last(log.kto), last(log.z_unclamped), std::to_string(clamped_steps(log)),
                     last(log.coverage), last(log.grad_norm), fmt::format("{:.0f}", sum(log.tokens) / steps),
                     fmt::format("{:.2f}", sum(log.seconds) / steps),
                     fmt::format("{:.0f}", sum(log.seconds))});
    }
    line();
    text_ += table.render(style_, 2);
  }

  void legend() {
    line(
        dim("  exact error: mean |share - target| of the model's own probabilities, without sampling noise, "
            "over all"));
    line(
        dim("  wordings together; one wording: of each alone. MAE: of the sampled rounds; floor: a perfect "
            "sampler's;"));
    line(
        dim("  expected: this model's. coverage: mass on the steering tokens, or paths; agree: of the rounds "
            "that "
            "begin"));
    line(dim(
        "  with a steering token, those whose text says its category. -: too little parsed or explored to "
        "say."));
    line();
  }

  std::string task_glob(const std::string& id) const {
    return directory_ + "/tasks/" + id.substr(0, 12) + "*";
  }

  void files(const std::vector<CellView>& cells) {
    heading("files");
    auto entry = [&](const std::string& path, const std::string& what) {
      line("  " + left(shown(path), 60) + "  " + dim(what));
    };
    entry(directory_ + "/index.h5", "links to every result, by job and cell");
    for (const CellView& view : cells) {
      for (const MeasureView& measure : view.measures) {
        entry(task_glob(measure.file.record.task.id) + "/result.h5",
              shown(view.cell.name + dot() + measure.when + ", " + set_name(measure)));
      }
      if (view.training.empty()) continue;
      const Task& task = view.training.back().file.record.task;
      const bool all = trains_all_weights(task);
      entry(
          task_glob(task.id) + (all ? "/weights" : "/adapter"),
          shown(view.cell.name + dot() + (all ? "all weights, for transformers" : "the adapter, for peft")));
    }
    line();
  }

  void problems(const std::vector<std::string>& found) {
    for (const std::string& problem : found) line("  " + painted(style_, Paint::red, "! ") + shown(problem));
  }

  void commands() {
    line("  apportion report " + shown(directory_) + " --json");
    line("  apportion export " + shown(directory_) + " --csv shares.csv");
  }

  void next(const std::vector<CellView>& cells) {
    heading("next");
    commands();
    if (cells.empty() || cells[0].measures.empty()) return;
    const CellView& view = cells[0];
    const MeasureView& measure = view.measures.back();
    line(fmt::format("  python3 -c 'import h5py; print(h5py.File(\"{}/index.h5\")[", shown(directory_)));
    const bool judged = !measure.judge.empty();
    const std::string name =
        measure.when + "/" + measure.test_set + (judged ? "/" + shown(measure.judge) : std::string());
    line(fmt::format("    \"jobs/{}/{}/{}{}/rounds/counts\"][:])'", shown(view.cell.job),
                     shown(view.cell.name), judged ? "judged/" : "", name));
  }

  const std::string directory_;
  const Style style_;
  std::string text_;
};

bool is_sweep(const std::vector<Cell>& cells) {
  return std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.about.swept.empty(); });
}

/// The page of cells whole.
std::string render_whole(const std::string& directory, const ReportOptions& options,
                         const std::vector<CellView>& cells) {
  return options.format == ReportFormat::json ? report_json(directory, cells)
                                              : Page(directory, options.style).render(cells);
}

/// A table of figures: the pivot, or a line for each cell.
std::string render_figures(const std::string& directory, const ReportOptions& options,
                           const std::vector<CellFigures>& cells) {
  if (options.request.by.empty()) return Page(directory, options.style).render(cells);
  const Pivot pivot = pivot_by(options.request.by, cells, directory);
  return options.format == ReportFormat::json ? pivot_json(directory, pivot, problems_of(cells))
                                              : Page(directory, options.style).render(pivot, cells);
}

}  // namespace

Report render_report(const std::string& directory, const ReportOptions& options) {
  std::vector<GateCondition> conditions;
  for (const std::string& text : options.request.fail_if) conditions.push_back(parse_condition(text));
  std::vector<Cell> cells = read_index(directory);
  if (!options.request.cell.empty()) cells = {only_cell(cells, options.request.cell, directory)};
  const bool lines = options.format == ReportFormat::table && cells.size() > 1 && is_sweep(cells);
  if (lines || !options.request.by.empty()) {
    const std::vector<CellFigures> figures = load_figures(directory, cells);
    return {render_figures(directory, options, figures), problems_of(figures),
            failures_of(conditions, figures)};
  }
  const std::vector<CellView> views = load_cells(directory, cells);
  std::vector<CellFigures> figures;
  for (const CellView& view : views) figures.push_back(figures_of(view));
  return {render_whole(directory, options, views), problems_of(views), failures_of(conditions, figures)};
}

Report render_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request) {
  return render_report(
      directory,
      ReportOptions{detect_style(stdout), output.json ? ReportFormat::json : ReportFormat::table, request});
}

int print_report(const std::string& directory, const OutputConfig& output, const ReportRequest& request) {
  const Report report = render_report(directory, output, request);
  print_output(report.text);
  for (const std::string& failure : report.failures) std::fprintf(stderr, "apportion: %s\n", failure.c_str());
  if (!report.failures.empty()) return gate_exit_code;
  throw_if_any(report.problems);
  return 0;
}

}  // namespace apportion
