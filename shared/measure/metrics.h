// Errors of measured shares against targets (each definition stands at its function).
#pragma once

#include <optional>
#include <vector>

#include "shared/measure/histogram.h"
#include "shared/statistics/interval.h"

namespace apportion {

/// One subject's metrics. Shares are [K]; optional values are absent when meaningless.
struct SubjectMetrics {
  std::vector<double> observed;                     // counts / parsed rounds; empty when no round parsed
  std::vector<double> observed_low, observed_high;  // 95% interval of what these rounds were drawn with
  std::optional<double> mae;                        // mean over categories of |observed - p|
  std::optional<double>
      floor;  // expected MAE of N independent draws from p itself, closed form; absent: no p or N = 0
  std::vector<double> exact_low, exact_high;  // mean over wordings of the exact bounds
  std::optional<double>
      exact_error;  // mean over categories of max(|low - p|, |high - p|); absent: unexplored > 0.5
  std::optional<double> exact_error_per_wording;  // the same for each wording alone, averaged
  std::optional<double>
      expected_mae;               // at N rounds, from the exact shares (parsed, renormalised), closed form
  std::optional<double> p_value;  // "are the parsed rounds draws from p"; absent: too few parsed, or no p
  double perfect_rejection = 0;   // how often as many draws from p itself do not pass
  std::optional<double> kl;       // KL(p || share), natural logarithm; from exact shares, else counts + 1/2
  double coverage = 0;            // mass on the steering tokens, mean over wordings
  double unexplored = 0;          // mean over wordings
  double unparsed_share = 0;      // of all rounds: no category, for whatever reason
  double no_story_share = 0;      // of all rounds, where stories are asked for; part of the above
  double failed_share = 0;        // of all rounds: the judgement failed; also part of unparsed_share
};

/// A test set's metrics: means over the subjects that have the value (absent when none has), with the
/// standard deviation of the subjects' MAE (n - 1; absent below two). The number of subjects with a value
/// stands next to it, because a mean over fewer flatters.
struct DatasetMetrics {
  std::vector<SubjectMetrics> subjects;
  std::optional<double> mae, mae_deviation, exact_error, exact_error_per_wording, expected_mae, kl;
  int subjects_with_mae = 0, subjects_with_exact = 0;
  /// Of the rounds whose answer begins with a category's steering text and a blank, the share whose text
  /// names that category (unparsed and cut answers do not); absent when no answer begins like that.
  std::optional<double> agreement;
  /// Pearson's correlation over subjects between a category's exact shares (the middle of their bounds) and
  /// its targets; the mean over the categories whose targets differ between subjects. Absent when fewer than
  /// three subjects have both, and when targets or shares are all the same.
  std::optional<double> correlation;
  /// 95% intervals of the means, with subjects as a sample of those that one could ask about.
  std::optional<Interval> mae_interval, exact_error_interval;
  /// The MAE that a perfect sampler exceeds in about 5 of 100 measurements of as many rounds; absent when no
  /// target is known.
  std::optional<double> detectable;
  /// Subjects with a p-value, how many of these reach test_level, and how many of a perfect sampler's do so
  /// at least.
  int tested = 0, passes = 0, passes_of_perfect = 0;
  double worst_exact_error = 0;  // 0 when no subject has one
  std::optional<double> floor;
  double coverage = 0, unexplored = 0, unparsed_share = 0;
  double no_story_share = 0, failed_share = 0;
  uint64_t rounds = 0;  // per subject
};

/// All metrics of `result` against targets [S][K]; an empty target is unknown: its subject has shares but no
/// errors.
DatasetMetrics measure_metrics(const MeasureResult& result, const std::vector<std::vector<double>>& targets);

}  // namespace apportion
