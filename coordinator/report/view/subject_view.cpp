#include "coordinator/report/view/subject_view.h"

#include <algorithm>
#include <cmath>

#include "shared/measure/metric_table.h"

namespace apportion {
namespace {

constexpr double good_error = 0.025, fair_error = 0.1;

bool is_known(const std::vector<double>& target) { return !target.empty() && std::isfinite(target[0]); }

std::vector<double> shown_shares(const SubjectMetrics& metrics) {
  return 1 - metrics.unparsed_share >= least_parsed ? metrics.observed : std::vector<double>();
}

std::vector<ShareBounds> shown_bounds(const SubjectMetrics& metrics) {
  std::vector<ShareBounds> bounds;
  if (metrics.unexplored > most_unexplored) return bounds;
  for (size_t j = 0; j < metrics.exact_low.size(); ++j)
    bounds.push_back({metrics.exact_low[j], metrics.exact_high[j]});
  return bounds;
}

// Before and after may have different subjects if one of the files is from another job.
const SubjectMetrics* subject_of(const MeasureView* view, size_t s) {
  return view && s < view->metrics.subjects.size() ? &view->metrics.subjects[s] : nullptr;
}

double parsed_rounds(const MeasureView& view, size_t s) {
  return static_cast<double>(view.metrics.rounds) * (1 - view.metrics.subjects[s].unparsed_share);
}

Closeness closeness_of(const SubjectMetrics& metrics) {
  const std::optional<double> error = metrics.exact_error ? metrics.exact_error : metrics.mae;
  if (!error) return Closeness::unknown;
  return *error <= good_error ? Closeness::good : *error <= fair_error ? Closeness::fair : Closeness::poor;
}

std::optional<double> share_of(const std::vector<ShareBounds>& exact, const std::vector<double>& sampled,
                               size_t category) {
  if (category < exact.size()) return exact[category].middle();
  if (category < sampled.size()) return sampled[category];
  return std::nullopt;
}

std::optional<WorstCategory> worst_of(const SubjectView& subject, const std::vector<double>& sampled) {
  std::optional<WorstCategory> worst;
  for (size_t j = 0; j < subject.target.size(); ++j) {
    const std::optional<double> share = share_of(subject.exact, sampled, j);
    if (!share) return std::nullopt;
    const double difference = *share - subject.target[j];
    if (!worst || std::abs(difference) > std::abs(worst->difference)) worst = {j, difference};
  }
  return worst;
}

}  // namespace

std::optional<double> SubjectView::best_share(size_t category) const {
  return share_of(exact, after, category);
}

std::optional<double> SubjectView::best_share_before(size_t category) const {
  return share_of(exact_before, before, category);
}

SetView compare_subjects(const MeasureView* before, const MeasureView* after) {
  const MeasureView& main = after ? *after : *before;
  const MeasureTables& tables = main.file.tables;
  SetView set{main.test_set, tables.categories, {}, after != nullptr};
  for (size_t s = 0; s < tables.subjects.size(); ++s) {
    const SubjectMetrics& metrics = main.metrics.subjects[s];
    SubjectView& subject = set.subjects.emplace_back();
    subject.name = tables.subjects[s];
    if (is_known(tables.target[s])) subject.target = tables.target[s];
    if (const SubjectMetrics* untouched = subject_of(before, s)) {
      subject.before = shown_shares(*untouched);
      subject.exact_before = shown_bounds(*untouched);
      subject.parsed_before = parsed_rounds(*before, s);
    }
    if (after) subject.after = shown_shares(metrics);
    subject.exact = shown_bounds(metrics);
    subject.parsed = parsed_rounds(main, s);
    subject.error = metrics.exact_error;
    if (!set.sampled(subject).empty()) subject.mae = metrics.mae;
    subject.p_value = metrics.p_value;
    subject.floor = metrics.floor;
    subject.coverage = metrics.coverage;
    subject.closeness = closeness_of(metrics);
    subject.worst = worst_of(subject, set.sampled(subject));
  }
  return set;
}

}  // namespace apportion
