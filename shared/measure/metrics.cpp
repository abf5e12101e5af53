#include "shared/measure/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "shared/base/error.h"
#include "shared/data/example.h"
#include "shared/measure/metric_table.h"
#include "shared/statistics/expected_mae.h"
#include "shared/statistics/perfect_sampler.h"
#include "shared/statistics/target_test.h"

namespace apportion {
namespace {

/// Sums over a subject's wordings, then means.
struct WordingMeans {
  std::vector<uint64_t> counts;  // [K+2]
  uint64_t no_story = 0, failed = 0;
  std::vector<double> low, high;  // [K]
  double coverage = 0, unexplored = 0, bound_error = 0;

  uint64_t rounds() const { return std::accumulate(counts.begin(), counts.end(), no_story + failed); }
};

double low_of(const PromptResult& prompt, size_t j) { return prompt.low.empty() ? 0 : prompt.low[j]; }

double high_of(const PromptResult& prompt, size_t j) {
  return std::min(1.0, low_of(prompt, j) + prompt.unexplored);
}

/// Mean over categories of the larger distance of the two bounds from the target (0 for an unknown target,
/// which is unused).
double bound_error(const std::vector<double>& low, const std::vector<double>& high,
                   const std::vector<double>& target) {
  double sum = 0;
  for (size_t j = 0; j < target.size(); ++j) {
    sum += std::max(std::abs(low[j] - target[j]), std::abs(high[j] - target[j]));
  }
  return target.empty() ? 0 : sum / static_cast<double>(target.size());
}

void check_prompt(const PromptResult& prompt, size_t categories) {
  ensure(prompt.counts.size() == categories + 2, "a prompt has K + 2 counts");
  ensure(prompt.low.empty() || prompt.low.size() == categories, "a prompt has K exact shares or none");
  ensure(prompt.steering.empty() || prompt.steering.size() == categories,
         "a prompt has K steering shares or none");
}

WordingMeans average_wordings(const MeasureResult& result, int subject, const std::vector<double>& target) {
  const size_t categories = static_cast<size_t>(result.categories);
  WordingMeans means;
  means.counts.assign(categories + 2, 0);
  means.low.assign(categories, 0);
  means.high.assign(categories, 0);
  for (int wording = 0; wording < result.wordings; ++wording) {
    const PromptResult& prompt = result.at(subject, wording);
    check_prompt(prompt, categories);
    std::vector<double> low, high;
    for (size_t j = 0; j < categories; ++j) {
      low.push_back(low_of(prompt, j));
      high.push_back(high_of(prompt, j));
      means.low[j] += low[j] / result.wordings;
      means.high[j] += high[j] / result.wordings;
    }
    for (size_t i = 0; i < means.counts.size(); ++i) means.counts[i] += prompt.counts[i];
    means.no_story += prompt.no_story;
    means.failed += prompt.judge_failed;
    means.coverage += std::accumulate(prompt.steering.begin(), prompt.steering.end(), 0.0) / result.wordings;
    means.unexplored += prompt.unexplored / result.wordings;
    means.bound_error += bound_error(low, high, target) / result.wordings;
  }
  return means;
}

/// `shares` divided by their sum; empty when that is 0.
std::vector<double> renormalise(std::vector<double> shares) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (!(sum > 0)) return {};
  for (double& share : shares) share /= sum;
  return shares;
}

/// KL(p || share) in nats; a category with p_j = 0 adds nothing. Absent when it would be infinite.
std::optional<double> divergence(const std::vector<double>& target, const std::vector<double>& shares) {
  double sum = 0;
  for (size_t j = 0; j < target.size(); ++j) {
    if (target[j] <= 0) continue;
    if (shares.empty() || shares[j] <= 0) return std::nullopt;
    sum += target[j] * std::log(target[j] / shares[j]);
  }
  return std::max(0.0, sum);  // rounding may leave -1e-17
}

/// Counts plus 1/2 each as shares; `counts` is [K+2].
std::vector<double> smoothed_shares(const std::vector<uint64_t>& counts) {
  std::vector<double> shares;
  for (size_t j = 0; j + 2 < counts.size(); ++j) shares.push_back(static_cast<double>(counts[j]) + 0.5);
  return renormalise(std::move(shares));
}

/// Fills in what the drawn rounds say.
void fill_sampled(SubjectMetrics& metrics, const WordingMeans& means, const std::vector<double>& target) {
  const std::vector<uint64_t>& counts = means.counts;
  const size_t categories = counts.size() - 2;
  const uint64_t total = means.rounds();
  const uint64_t parsed = total - counts[categories] - counts[categories + 1] - means.no_story - means.failed;
  if (total > 0) {
    if (!target.empty()) metrics.floor = expected_mae(target, target, total);
    metrics.unparsed_share = static_cast<double>(total - parsed) / static_cast<double>(total);
    metrics.no_story_share = static_cast<double>(means.no_story) / static_cast<double>(total);
    metrics.failed_share = static_cast<double>(means.failed) / static_cast<double>(total);
  }
  if (parsed == 0) return;
  for (size_t j = 0; j < categories; ++j) {
    metrics.observed.push_back(static_cast<double>(counts[j]) / static_cast<double>(parsed));
    const Interval interval = share_interval(metrics.observed.back(), static_cast<double>(parsed));
    metrics.observed_low.push_back(interval.low);
    metrics.observed_high.push_back(interval.high);
  }
  if (target.empty()) return;
  if (1 - metrics.unparsed_share >= least_parsed) {
    metrics.p_value = target_p_value({counts.begin(), counts.end() - 2}, target);
    metrics.perfect_rejection = rejection_probability(parsed, target);
  }
  double error = 0;
  for (size_t j = 0; j < categories; ++j) error += std::abs(metrics.observed[j] - target[j]);
  metrics.mae = error / static_cast<double>(categories);
  metrics.kl = divergence(target, smoothed_shares(counts));
}

/// Fills in what the expanded trees say; replaces the rounds' KL where it can.
void fill_exact(SubjectMetrics& metrics, const WordingMeans& means, const std::vector<double>& target) {
  metrics.exact_low = means.low;
  metrics.exact_high = means.high;
  if (target.empty() || means.unexplored > most_unexplored) return;
  metrics.exact_error = bound_error(means.low, means.high, target);
  metrics.exact_error_per_wording = means.bound_error;
  const std::vector<double> shares = renormalise(means.low);
  if (!shares.empty() && means.rounds() > 0) {
    metrics.expected_mae = expected_mae(shares, target, means.rounds());
  }
  if (const std::optional<double> kl = divergence(target, shares)) metrics.kl = kl;
}

SubjectMetrics measure_subject(const MeasureResult& result, int subject, const std::vector<double>& target) {
  const WordingMeans means = average_wordings(result, subject, target);
  SubjectMetrics metrics;
  fill_sampled(metrics, means, target);
  fill_exact(metrics, means, target);
  metrics.coverage = means.coverage;
  metrics.unexplored = means.unexplored;
  return metrics;
}

std::vector<double> present(const std::vector<SubjectMetrics>& subjects,
                            std::optional<double> SubjectMetrics::*field) {
  std::vector<double> values;
  for (const SubjectMetrics& subject : subjects) {
    if (subject.*field) values.push_back(*(subject.*field));
  }
  return values;
}

std::optional<double> mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<double> deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double mean = *mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

uint64_t rounds_of(const MeasureResult& result, int subject) {
  uint64_t rounds = 0;
  for (int wording = 0; wording < result.wordings; ++wording) {
    rounds += rounds_of(result.at(subject, wording));
  }
  return rounds;
}

/// Whether an answer begins with a steering text of the category, of whichever kind the job had.
bool begins_steered(const std::string& text, int category) {
  for (Steering steering : {Steering::digit, Steering::letter, Steering::word}) {
    if (category < most_steered(steering) && text.starts_with(steering_text(steering, category) + " "))
      return true;
  }
  return false;
}

std::optional<double> agreement_of(const MeasureResult& result) {
  uint64_t steered = 0, agreeing = 0;
  for (const PromptResult& prompt : result.prompts) {
    for (const AnswerCount& answer : prompt.answers) {
      for (int category = 0; category < result.categories; ++category) {
        if (!begins_steered(answer.text, category)) continue;
        steered += answer.count;
        if (answer.category == category) agreeing += answer.count;
      }
    }
  }
  if (steered == 0) return std::nullopt;
  return static_cast<double>(agreeing) / static_cast<double>(steered);
}

std::optional<double> pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const double mean_x = *mean_of(x), mean_y = *mean_of(y);
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  constexpr double same = 1e-18;  // squares of what rounding leaves between equal shares
  if (xx < same || yy < same) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

std::optional<double> correlation_of(const std::vector<SubjectMetrics>& subjects,
                                     const std::vector<std::vector<double>>& targets, size_t categories) {
  std::vector<double> found;
  for (size_t j = 0; j < categories; ++j) {
    std::vector<double> shares, wanted;
    for (size_t s = 0; s < subjects.size(); ++s) {
      if (!subjects[s].exact_error || targets[s].empty()) continue;
      shares.push_back((subjects[s].exact_low[j] + subjects[s].exact_high[j]) / 2);
      wanted.push_back(targets[s][j]);
    }
    if (shares.size() < 3) return std::nullopt;
    if (const std::optional<double> one = pearson(shares, wanted)) found.push_back(*one);
  }
  return mean_of(found);
}

/// Interval of the mean of errors, each between 0 and 1.
std::optional<Interval> error_interval(const std::vector<double>& errors) {
  std::optional<Interval> interval = mean_interval(errors);
  if (interval) *interval = {std::max(0.0, interval->low), std::min(1.0, interval->high)};
  return interval;
}

void count_passes(DatasetMetrics& metrics, const std::vector<SubjectMetrics>& subjects) {
  std::vector<double> rejections;
  for (const SubjectMetrics& subject : subjects) {
    if (!subject.p_value) continue;
    rejections.push_back(subject.perfect_rejection);
    if (*subject.p_value >= test_level) ++metrics.passes;
  }
  metrics.tested = static_cast<int>(rejections.size());
  metrics.passes_of_perfect = passes_of_perfect(rejections);
}

/// `known`: how many subjects have a target.
DatasetMetrics average_subjects(std::vector<SubjectMetrics> subjects, size_t known) {
  DatasetMetrics metrics;
  const std::vector<double> maes = present(subjects, &SubjectMetrics::mae);
  const std::vector<double> exact_errors = present(subjects, &SubjectMetrics::exact_error);
  metrics.subjects_with_mae = static_cast<int>(maes.size());
  metrics.subjects_with_exact = static_cast<int>(exact_errors.size());
  metrics.mae = mean_of(maes);
  metrics.mae_deviation = deviation_of(maes);
  metrics.mae_interval = error_interval(maes);
  metrics.exact_error = mean_of(exact_errors);
  metrics.exact_error_interval = error_interval(exact_errors);
  count_passes(metrics, subjects);
  metrics.exact_error_per_wording = mean_of(present(subjects, &SubjectMetrics::exact_error_per_wording));
  metrics.expected_mae = mean_of(present(subjects, &SubjectMetrics::expected_mae));
  metrics.kl = mean_of(present(subjects, &SubjectMetrics::kl));
  for (const double error : exact_errors)
    metrics.worst_exact_error = std::max(metrics.worst_exact_error, error);
  const double count = static_cast<double>(subjects.size());
  for (const SubjectMetrics& subject : subjects) {
    if (subject.floor)
      metrics.floor = metrics.floor.value_or(0) + *subject.floor / static_cast<double>(known);
    metrics.coverage += subject.coverage / count;
    metrics.unexplored += subject.unexplored / count;
    metrics.unparsed_share += subject.unparsed_share / count;
    metrics.no_story_share += subject.no_story_share / count;
    metrics.failed_share += subject.failed_share / count;
  }
  metrics.subjects = std::move(subjects);
  return metrics;
}

}  // namespace

DatasetMetrics measure_metrics(const MeasureResult& result, const std::vector<std::vector<double>>& targets) {
  const size_t subjects = static_cast<size_t>(result.subjects),
               wordings = static_cast<size_t>(result.wordings);
  ensure(targets.size() == subjects && result.prompts.size() == subjects * wordings,
         "one target a subject, S * P prompts");
  std::vector<AskedSubject> known;
  std::vector<SubjectMetrics> metrics;
  for (int s = 0; s < result.subjects; ++s) {
    const std::vector<double>& target = targets[static_cast<size_t>(s)];
    const bool is_whole = target.empty() || target.size() == static_cast<size_t>(result.categories);
    ensure(wordings > 0 && is_whole, "a subject has wordings, and a target of K shares or none");
    if (!target.empty()) known.push_back({target, rounds_of(result, s)});
    metrics.push_back(measure_subject(result, s, target));
  }
  DatasetMetrics averaged = average_subjects(std::move(metrics), known.size());
  if (result.subjects > 0) averaged.rounds = rounds_of(result, 0);
  if (averaged.rounds > 0 && !known.empty()) averaged.detectable = detectable_mae(known);
  averaged.agreement = agreement_of(result);
  averaged.correlation = correlation_of(averaged.subjects, targets, static_cast<size_t>(result.categories));
  return averaged;
}

}  // namespace apportion
