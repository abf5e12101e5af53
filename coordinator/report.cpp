#include "coordinator/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "coordinator/report_data.h"
#include "coordinator/report_json.h"
#include "coordinator/table.h"

namespace apportion {
namespace {

constexpr double least_parsed = 0.5;  // of a subject's rounds, for its sampled shares to mean something
constexpr double tight = 0.001;       // bounds as close as this print as one number
constexpr double good_error = 0.025, fair_error = 0.1;
constexpr int page = 112;  // columns of rules and headings
constexpr const char* none = "-";

std::string decimals(double value) { return std::isfinite(value) ? fmt::format("{:.3f}", value) : none; }

std::string decimals(const std::optional<double>& value) { return value ? decimals(*value) : none; }

bool is_known(const std::vector<double>& target) { return !target.empty() && std::isfinite(target[0]); }

bool has_shares(const SubjectMetrics& metrics) {
  return !metrics.observed.empty() && 1 - metrics.unparsed_share >= least_parsed;
}

bool has_exact(const SubjectMetrics& metrics) {
  return !metrics.exact_low.empty() && metrics.unexplored <= 0.5;
}

Paint paint_of(const SubjectMetrics& metrics) {
  std::optional<double> error = metrics.exact_error ? metrics.exact_error : metrics.mae;
  if (!error) return Paint::plain;
  return *error <= good_error ? Paint::green : *error <= fair_error ? Paint::yellow : Paint::red;
}

class Page {
 public:
  Page(const std::string& directory, const Style& style) : directory_(directory), style_(style) {}

  std::string render(const std::vector<CellView>& cells) {
    for (const CellView& view : cells) cell(view);
    files(cells);
    return text_;
  }

 private:
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
    heading(shown(view.dataset + dot() + view.method));
    if (!view.measures.empty()) {
      const MeasureView& first = view.measures.front();
      facts(view, first);
      const MeasureView* before = view.measure("before", first.test_set);
      const MeasureView* after = view.measure("after", first.test_set);
      line();
      first.file.tables.categories.size() == 2 ? pairs(before, after) : lists(before, after);
      line();
      summary(view);
    }
    if (!view.training.empty()) training(view);
    for (const std::string& problem : view.problems)
      line("  " + painted(style_, Paint::red, "! ") + shown(problem));
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
    line(fmt::format("  {}{}MAE {}{}{} (a perfect sampler: {}){}coverage {}", exact, "",
                     decimals(before->metrics.mae), arrow(), decimals(after->metrics.mae),
                     decimals(after->metrics.floor), dot(), decimals(after->metrics.coverage)));
  }

  // A share of the first category as bar and number.
  std::string share_cell(const SubjectMetrics* metrics, Paint paint) const {
    if (!metrics || !has_shares(*metrics)) return left("", bar_width) + right(none, 6);
    return painted(style_, paint, bar(style_, metrics->observed[0], bar_width)) +
           right(decimals(metrics->observed[0]), 6);
  }

  static std::string exact_cell(const SubjectMetrics& metrics) {
    if (!has_exact(metrics)) return none;
    double low = metrics.exact_low[0], high = metrics.exact_high[0];
    return high - low <= tight ? decimals((low + high) / 2)
                               : "[" + decimals(low) + ", " + decimals(high) + "]";
  }

  // Two categories: the first one's share says all.
  void pairs(const MeasureView* before, const MeasureView* after) {
    const MeasureView& main = after ? *after : *before;
    const MeasureTables& tables = main.file.tables;
    Table table({{shown(tables.categories[0], 20) + ", " + shown(main.test_set), Align::left},
                 {"target", Align::left},
                 {"before", Align::left},
                 {"after", Align::left},
                 {"exact"},
                 {"error"},
                 {"MAE"},
                 {"floor"},
                 {"coverage"}});
    for (size_t s = 0; s < tables.subjects.size(); ++s) {
      const SubjectMetrics& metrics = main.metrics.subjects[s];
      const bool known = is_known(tables.target[s]);
      std::string target = known ? painted(style_, Paint::cyan, bar(style_, tables.target[s][0], bar_width)) +
                                       right(decimals(tables.target[s][0]), 6)
                                 : none;
      table.add_row({shown(tables.subjects[s], 26), target, share_cell(subject_of(before, s), Paint::dim),
                     share_cell(subject_of(after, s), paint_of(metrics)), exact_cell(metrics),
                     decimals(metrics.exact_error), has_shares(metrics) ? decimals(metrics.mae) : none,
                     known ? decimals(metrics.floor) : none, decimals(metrics.coverage)});
    }
    text_ += table.render(style_, 2);
  }

  // Sets of other prompts may have other subjects.
  static const SubjectMetrics* subject_of(const MeasureView* view, size_t s) {
    return view && s < view->metrics.subjects.size() ? &view->metrics.subjects[s] : nullptr;
  }

  std::string spark_cell(const SubjectMetrics* metrics, Paint paint) const {
    if (!metrics || !has_shares(*metrics)) return none;
    return painted(style_, paint, spark(style_, metrics->observed));
  }

  // Every category's share, exact where it is known, else sampled; the width of the bounds behind.
  static std::string list_cell(const SubjectMetrics& metrics) {
    const bool exact = has_exact(metrics);
    if (!exact && !has_shares(metrics)) return none;
    std::string text;
    for (size_t j = 0; j < metrics.exact_low.size() && j < most_listed; ++j) {
      double share = exact ? (metrics.exact_low[j] + metrics.exact_high[j]) / 2 : metrics.observed[j];
      text += (j ? " " : exact ? "" : "~") + decimals(share);
    }
    return text + (metrics.exact_low.size() > most_listed ? " .." : "");
  }

  // The category whose share is furthest from its target.
  std::string worst_cell(const SubjectMetrics& metrics, const MeasureTables& tables, size_t s) const {
    const bool exact = has_exact(metrics);
    if (!is_known(tables.target[s]) || (!exact && !has_shares(metrics))) return none;
    size_t worst = 0;
    std::vector<double> errors;
    for (size_t j = 0; j < tables.categories.size(); ++j) {
      double share = exact ? (metrics.exact_low[j] + metrics.exact_high[j]) / 2 : metrics.observed[j];
      errors.push_back(share - tables.target[s][j]);
      if (std::abs(errors[j]) > std::abs(errors[worst])) worst = j;
    }
    return shown(tables.categories[worst], 10) + fmt::format(" {:+.3f}", errors[worst]);
  }

  void lists(const MeasureView* before, const MeasureView* after) {
    const MeasureView& main = after ? *after : *before;
    const MeasureTables& tables = main.file.tables;
    std::string names = "  categories:";
    for (size_t j = 0; j < tables.categories.size(); ++j) {
      std::string name = fmt::format(" {} {}", j, shown(tables.categories[j], 30));
      if (columns_of(names + name) > page) {
        line(dim(names));
        names = "             ";
      }
      names += name + (j + 1 < tables.categories.size() ? "," : "");
    }
    line(dim(names));
    Table table({{shown(main.test_set), Align::left},
                 {"target", Align::left},
                 {"before", Align::left},
                 {"after", Align::left},
                 {"shares, exact", Align::left},
                 {"worst", Align::right},
                 {"error"},
                 {"MAE"},
                 {"floor"},
                 {"cover"}});
    for (size_t s = 0; s < tables.subjects.size(); ++s) {
      const SubjectMetrics& metrics = main.metrics.subjects[s];
      const bool known = is_known(tables.target[s]);
      table.add_row({shown(tables.subjects[s], 20),
                     known ? painted(style_, Paint::cyan, spark(style_, tables.target[s])) : none,
                     spark_cell(subject_of(before, s), Paint::dim),
                     spark_cell(subject_of(after, s), paint_of(metrics)), list_cell(metrics),
                     worst_cell(metrics, tables, s), decimals(metrics.exact_error),
                     has_shares(metrics) ? decimals(metrics.mae) : none,
                     known ? decimals(metrics.floor) : none, decimals(metrics.coverage)});
    }
    text_ += table.render(style_, 2);
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
                 {"unexplored"},
                 {"unparsed"}});
    for (const MeasureView& measure : view.measures) {
      const DatasetMetrics& m = measure.metrics;
      size_t subjects = m.subjects.size();
      table.add_row({shown(measure.when + ", " + measure.test_set),
                     mean_cell(m.exact_error, m.subjects_with_exact, subjects),
                     m.subjects_with_exact ? decimals(m.worst_exact_error) : none,
                     decimals(m.exact_error_per_wording), mean_cell(m.mae, m.subjects_with_mae, subjects),
                     decimals(m.floor), decimals(m.expected_mae), decimals(m.kl), decimals(m.coverage),
                     decimals(m.unexplored), decimals(m.unparsed_share)});
    }
    text_ += table.render(style_, 2);
    line(
        dim("  exact error: mean |share - target| of the model's own probabilities, without sampling noise; "
            "one wording: the"));
    line(
        dim("  same for each wording alone. MAE: of the sampled rounds; floor: a perfect sampler's; "
            "expected: this model's."));
  }

  void training(const CellView& view) {
    Table table({{"training", Align::left},
                 {"steps"},
                 {"loss"},
                 {"KL"},
                 {"KTO"},
                 {"z"},
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
                     last(log.kl), last(log.kto), last(log.z_unclamped), last(log.coverage),
                     last(log.grad_norm), fmt::format("{:.0f}", sum(log.tokens) / steps),
                     fmt::format("{:.2f}", sum(log.seconds) / steps),
                     fmt::format("{:.0f}", sum(log.seconds))});
    }
    line();
    text_ += table.render(style_, 2);
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
              shown(view.cell.name + dot() + measure.when + ", " + measure.test_set));
      }
      if (view.training.empty()) continue;
      entry(task_glob(view.training.back().file.record.task.id) + "/adapter",
            shown(view.cell.name + dot() + "the adapter, for peft"));
    }
    line();
    heading("next");
    line("  apportion report " + shown(directory_) + " --json");
    line("  apportion export " + shown(directory_) + " --csv shares.csv");
    if (cells.empty() || cells[0].measures.empty()) return;
    const CellView& view = cells[0];
    const MeasureView& measure = view.measures.back();
    line(fmt::format("  python3 -c 'import h5py; print(h5py.File(\"{}/index.h5\")[", shown(directory_)));
    line(fmt::format("    \"jobs/{}/{}/{}/{}/rounds/counts\"][:])'", shown(view.cell.job),
                     shown(view.cell.name), measure.when, measure.test_set));
  }

  static constexpr int bar_width = 8;
  static constexpr size_t most_listed = 5;

  const std::string directory_;
  const Style style_;
  std::string text_;
};

}  // namespace

std::string render_report(const std::string& directory, const ReportOptions& options) {
  std::vector<CellView> cells = load_cells(directory);
  if (options.format == ReportFormat::json) return report_json(directory, cells);
  return Page(directory, options.style).render(cells);
}

std::string render_report(const std::string& directory, const OutputConfig& output) {
  return render_report(
      directory, ReportOptions{detect_style(stdout), output.json ? ReportFormat::json : ReportFormat::table});
}

}  // namespace apportion
