#include "coordinator/report/view/page_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "coordinator/folder/folder_status.h"
#include "coordinator/folder/members.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/sweep_tables.h"
#include "shared/base/error.h"
#include "shared/config/option.h"
#include "shared/measure/metric_table.h"

namespace apportion {
namespace {

std::string number(const char* metric, double value) { return metric_text(measured_metric(metric), value); }

/// The subject that is furthest off.
std::string worst_subject(const MeasureView& measure) {
  std::string name;
  double worst = -1;
  for (size_t s = 0; s < measure.metrics.subjects.size(); ++s) {
    const double error = measure.metrics.subjects[s].exact_error.value_or(-1);
    if (error <= worst) continue;
    worst = error;
    name = measure.file.tables.subjects[s];
  }
  return name;
}

std::string sampled_words(const MeasureView& measure, const MeasureView* before) {
  const DatasetMetrics& metrics = measure.metrics;
  std::string words = fmt::format("In {} rounds a subject the error is {}; a perfect sampler's would be {}",
                                  metrics.rounds, set_text("mae", metrics), set_text("floor", metrics));
  if (before && before != &measure && before->metrics.mae)
    words += fmt::format(", the untouched model's was {}", set_text("mae", before->metrics));
  return words + ".";
}

/// "full, dpo and 3 more"
std::string some_of(const std::set<std::string>& names, size_t most) {
  std::vector<std::string> shown(names.begin(), names.end());
  const size_t more = shown.size() > most ? shown.size() - most : 0;
  shown.resize(shown.size() - more);
  return join(shown, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
}

std::string counted(size_t number, const char* one) {
  return fmt::format("{} {}{}", number, one, number == 1 ? "" : "s");
}

void add_failures(const JobStatus& job, std::vector<std::string>& lines) {
  constexpr size_t most = 10;
  size_t told = 0;
  for (const TaskStatus& task : job.tasks) {
    if (task.phase != TaskPhase::failed && task.phase != TaskPhase::set_aside) continue;
    if (told++ == most) {
      lines.push_back("More tasks of job " + job.job + " failed; `apportion status` names them.");
      return;
    }
    lines.push_back(task.name + " failed: " + task.reason);
  }
}

/// Who is at work, and how far.
std::vector<std::string> at_work_lines(const std::vector<MemberStatus>& members) {
  std::vector<std::string> lines;
  for (const MemberStatus& member : members) {
    if (!member.alive) continue;
    const std::string doing = doing_text(member);
    lines.push_back("At work: " + member.id + (doing.empty() ? "" : ": " + doing));
  }
  constexpr size_t most = 10;
  if (lines.size() <= most) return lines;
  const size_t more = lines.size() - most;
  lines.resize(most);
  lines.push_back(fmt::format("At work: {} more runs; `apportion status` names them.", more));
  return lines;
}

}  // namespace

std::string short_name(const std::string& model) {
  const size_t slash = model.find_last_of('/');
  return slash == std::string::npos || slash + 1 == model.size() ? model : model.substr(slash + 1);
}

std::string asked_of(const CellView& view) {
  std::string words = "Repeated answers of " + short_name(view.model);
  if (const MeasureView* measure = view.headline())
    words += fmt::format(" about {}", counted(static_cast<size_t>(measure->file.result.subjects), "subject"));
  words += " of " + view.dataset;
  return words + (view.target == "real" ? " should follow the shares in its table."
                                        : " should follow the target " + view.target + ".");
}

std::string outcome_of(const CellView& view) {
  const MeasureView* measure = view.headline();
  if (!measure) return "There is no readable measurement.";
  const DatasetMetrics& metrics = measure->metrics;
  const bool trained = measure->when == "after";
  std::string words = trained ? "Trained by method " + view.method + " and asked with the wordings of "
                              : "Untouched and asked with the wordings of ";
  words += measure->test_set + ", ";
  if (metrics.exact_error) {
    words += fmt::format("the model's own probabilities are {} off on average and {} at worst ({}).",
                         set_text("exact_error", metrics), set_text("worst_exact_error", metrics),
                         worst_subject(*measure));
  } else {
    words += "too much of the model's probability is unexplored for an exact error.";
  }
  words += metrics.mae ? " " + sampled_words(*measure, view.measure("before", measure->test_set))
                       : " Too few of its rounds name a category for an error of the rounds.";
  if (metrics.tested > 0)
    words += fmt::format(" For {} of {} the rounds may be draws from the target.", metrics.passes,
                         counted(static_cast<size_t>(metrics.tested), "subject"));
  if (!view.retention) return words;
  const std::string verdict = verdict_line(summary_of(view.retention->result));
  return verdict.empty() ? words : words + " But " + verdict + ".";
}

std::string asked_of(const std::vector<CellFigures>& cells) {
  std::set<std::string> datasets, methods;
  for (const CellFigures& cell : cells) {
    if (!cell.dataset.empty()) datasets.insert(cell.dataset);
    if (!cell.method.empty()) methods.insert(cell.method);
  }
  std::string words = "Repeated answers should follow a target, in " + counted(cells.size(), "cell");
  if (!datasets.empty())
    words += fmt::format(": {} ({})", counted(datasets.size(), "dataset"), some_of(datasets, 6));
  if (!methods.empty())
    words += fmt::format(", {} ({})", counted(methods.size(), "method"), some_of(methods, 10));
  const std::vector<std::string> keys = swept_keys(cells);
  return words + (keys.empty() ? "." : ", sweeping " + join(keys, ", ") + ".");
}

std::string outcome_of(const std::vector<CellFigures>& cells) {
  std::vector<const CellFigures*> with;
  for (const CellFigures* cell : by_error(cells)) {
    if (cell->exact_error) with.push_back(cell);
  }
  if (with.empty()) return "No cell has an exact error.";
  const double best = *with.front()->exact_error, worst = *with.back()->exact_error;
  std::string words =
      fmt::format("Exact errors range from {} ({}) to {} ({}); half of the cells are at {} or below.",
                  number("exact_error", best), with.front()->name, number("exact_error", worst),
                  with.back()->name, number("exact_error", *with[(with.size() - 1) / 2]->exact_error));
  if (with.size() < cells.size())
    words += fmt::format(" {} no such error.", cells.size() - with.size() == 1
                                                   ? "1 cell has"
                                                   : counted(cells.size() - with.size(), "cell") + " have");
  return words;
}

std::vector<std::string> missing_of(const std::string& directory) {
  std::vector<std::string> lines;
  FolderStatus status;
  try {
    status = folder_status(directory, folder_seconds(directory));
  } catch (const Error&) {
    return lines;  // no run has left its plan here: a folder with only results
  }
  const std::vector<std::string> at_work = at_work_lines(status.members);
  for (const JobStatus& job : status.jobs) {
    const size_t done = job.count(TaskPhase::done),
                 failed = job.count(TaskPhase::failed) + job.count(TaskPhase::set_aside);
    if (done == job.tasks.size()) continue;
    lines.push_back(fmt::format("Job {}: {} of {} are done, {} at work, {} waiting, {} failed.{}", job.job,
                                done, counted(job.tasks.size(), "task"), job.count(TaskPhase::running),
                                job.count(TaskPhase::waiting), failed,
                                at_work.empty() ? " The same `apportion run` goes on from there." : ""));
    add_failures(job, lines);
  }
  lines.insert(lines.end(), at_work.begin(), at_work.end());
  for (const std::string& fault : status.faults) lines.push_back(fault);
  return lines;
}

}  // namespace apportion
