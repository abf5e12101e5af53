#include "coordinator/report/html/cell_section.h"

#include <fmt/format.h>

#include <set>

#include "coordinator/report/html/dot_plot.h"
#include "coordinator/report/html/html_table.h"
#include "coordinator/report/html/line_chart.h"
#include "coordinator/report/view/answer_view.h"
#include "coordinator/report/view/cell_tables.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/curve_view.h"
#include "coordinator/report/view/page_words.h"
#include "coordinator/report/view/provenance_view.h"

namespace apportion {
namespace {

constexpr size_t most_subjects = 40;  // in a plot
constexpr size_t most_rows = 400;     // in a table of subjects
constexpr size_t most_answers = 20;   // of each kind
constexpr size_t most_points = 240;   // of a curve

void open_fold(Markup& out, const std::string& title) {
  out.open("details").open("summary").text(title).close();
}

void write_numbers(Markup& out, const SetView& set) {
  TableView table = subject_table(set);
  std::string caption = "The same in numbers, " + set.test_set;
  if (table.rows.size() > most_rows) {
    caption +=
        fmt::format(": {} of {} rows, `apportion export DIR --csv` has all", most_rows, table.rows.size());
    table.rows.resize(most_rows);
  }
  open_fold(out, caption);
  write_table(out, table, caption);
  out.close();
}

/// A plot and its numbers for each test set; all but the first are folded.
void write_shares(Markup& out, const CellView& view) {
  std::set<std::string> done;
  for (const MeasureView& measure : view.measures) {
    const std::string& test_set = measure.test_set;
    if (!done.insert(test_set).second) continue;
    const SetView set = compare_subjects(view.measure("before", test_set), view.measure("after", test_set));
    const bool first = done.size() == 1;
    if (!first) open_fold(out, "Shares on " + test_set);
    write_dot_plot(out, set, most_subjects);
    write_numbers(out, set);
    if (!first) out.close();
  }
}

void write_means(Markup& out, const CellView& view) {
  out.element("h3", {}, "How far off");
  if (const TableView means = means_table(view); !means.rows.empty())
    write_table(out, means, "Means over subjects", Caption::seen);
  if (const std::string line = correlation_line(view, unicode_marks); !line.empty()) {
    out.open("p", {{"class", "soft"}}).name(line).close();
  }
  if (const TableView stories = stories_table(view); !stories.rows.empty()) {
    write_table(out, stories, "Stories, as judges read them", Caption::seen);
    for (const std::string& line : agreement_lines(view))
      out.open("p", {{"class", "soft"}}).name(line).close();
  }
  if (const TableView chance = chance_table(view); !chance.rows.empty()) {
    write_table(out, chance, "How much of it may be chance", Caption::seen);
    out.element("p", {{"class", "soft"}},
                "In 95 of 100 measurements with as many rounds, the interval holds the mean over subjects "
                "like these. It does not cover what another seed of the training, another machine or other "
                "wordings would change.");
  }
}

void write_answers(Markup& out, const CellView& view) {
  out.element("h3", {}, "Answers");
  out.element("p", {{"class", "soft"}},
              "Each distinct answer once; answers that name no category come first.");
  for (const MeasureView& measure : view.measures) {
    const AnswerList answers = answers_of(measure.file, most_answers);
    if (answers.shown.empty()) continue;
    std::string caption = fmt::format("{}: {} rounds", measure_name(measure), answers.rounds);
    if (answers.others > 0)
      caption += fmt::format("; {} more distinct answers, of {} rounds, are in the file", answers.others,
                             answers.other_rounds);
    open_fold(out, caption);
    write_table(out, answer_table(answers, measure.file.tables.categories), caption);
    out.close();
  }
}

std::string curve_words(const CurveView& curve, const std::string& task) {
  const TrainingMetric& metric = curve.metric;
  return fmt::format("{} of {}: {} at the first step, {} at the last; from {} to {}", metric.heading, task,
                     metric_text(metric, curve.first), metric_text(metric, curve.last),
                     metric_text(metric, curve.lowest), metric_text(metric, curve.highest));
}

void write_training(Markup& out, const CellView& view) {
  if (view.training.empty()) return;
  out.element("h3", {}, "Training");
  write_table(out, training_table(view), "Last values, and sums over the steps", Caption::seen);
  for (const TrainView& training : view.training) {
    const std::string& label = training.file.record.task.label;
    out.open("p", {{"class", "soft"}})
        .text(label + ". The dashed line is where the value would be if everything came out as asked.")
        .close();
    out.open("div", {{"class", "charts"}});
    for (const CurveView& curve : curves_of(training.file.log, most_points)) {
      Chart chart;
      chart.title = curve.metric.heading;
      chart.words = curve_words(curve, label);
      chart.lines = {{"", curve.points}};
      chart.x_name = "step";
      chart.best = curve.metric.best;
      chart.is_logarithmic = curve.is_logarithmic;
      write_chart(out, chart);
    }
    out.close();
  }
}

void write_retention(Markup& out, const CellView& view) {
  if (!view.retention) return;
  const RetentionSummary summary = summary_of(view.retention->result);
  out.element("h3", {}, "What must not change");
  if (const std::string line = verdict_line(summary); !line.empty())
    out.open("p", {{"class", "warn"}}).text(line).close();
  out.open("p").text(retention_line(summary)).close();
  if (const MeasureView* measure = view.headline(); measure && measure->metrics.exact_error) {
    out.element("p", {},
                "What this bought: an exact error of " +
                    metric_text(measured_metric("exact_error"), measure->metrics.exact_error) + " on " +
                    measure->test_set + ".");
  }
  write_table(out, retention_table(summary), "Other questions, before and after", Caption::seen);
}

void write_provenance(Markup& out, const CellView& view) {
  out.element("h3", {}, "Cost and origin");
  write_table(out, cost_table(view), "What each task took", Caption::seen);
  open_fold(out, "Files and digests");
  out.open("p", {{"class", "soft"}})
      .text("In index.h5, everything of this cell is below ")
      .open("code")
      .name("/jobs/" + view.cell.job + "/" + view.cell.name)
      .close()
      .text("; docs/store.md names every dataset.")
      .close();
  write_table(out, digest_table(view), "Results of this cell");
  out.close();
  const std::string job = job_file_of(view);
  if (job.empty()) return;
  open_fold(out, "How to make it again");
  out.open("p", {{"class", "soft"}})
      .text("These keys are not at their defaults. As a file JOB.ini, ")
      .element("code", {}, "apportion run JOB.ini --output DIR")
      .text(" gives the same results on one kind of machine, whatever the number of ranks.")
      .close();
  out.element("pre", {}, job);
  out.close();
  open_fold(out, "The whole configuration");
  write_table(out, configuration_table(view), "All keys, as the last task had them");
  out.close();
}

}  // namespace

void write_cell(Markup& out, const CellView& view) {
  if (!view.measures.empty()) {
    out.open("p", {{"class", "soft"}}).name(cell_facts(view, unicode_marks)).close();
    write_shares(out, view);
    write_means(out, view);
    write_answers(out, view);
  }
  write_training(out, view);
  write_retention(out, view);
  write_provenance(out, view);
  if (view.problems.empty()) return;
  out.open("div", {{"class", "warn"}}).element("p", {}, "What cannot be read:").open("ul");
  for (const std::string& problem : view.problems) out.open("li").name(problem).close();
  out.close().close();
}

}  // namespace apportion
