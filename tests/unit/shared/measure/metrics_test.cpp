// Errors of shares on cases worked out by hand, and the closed form against brute force and known floors.
#include "shared/measure/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "shared/base/error.h"
#include "shared/data/catalogue.h"
#include "shared/data/dataset.h"
#include "shared/statistics/expected_mae.h"

namespace apportion {
namespace {

constexpr double tight = 1e-12;

PromptResult make_prompt(std::vector<uint64_t> counts, std::vector<double> low, double unexplored) {
  PromptResult prompt;
  prompt.counts = std::move(counts);
  prompt.low = std::move(low);
  prompt.steering = {0.5, 0.25};
  prompt.unexplored = unexplored;
  return prompt;
}

MeasureResult make_result(int subjects, int wordings, std::vector<PromptResult> prompts) {
  MeasureResult result;
  result.subjects = subjects;
  result.wordings = wordings;
  result.categories = 2;
  result.prompts = std::move(prompts);
  return result;
}

/// The same by summing over all outcomes with the textbook formula.
double brute_force(double share, double target, int rounds) {
  double sum = 0;
  for (int k = 0; k <= rounds; ++k) {
    const double log_weight = std::lgamma(rounds + 1.0) - std::lgamma(k + 1.0) -
                              std::lgamma(rounds - k + 1.0) + k * std::log(share) +
                              (rounds - k) * std::log1p(-share);
    sum += std::exp(log_weight) * std::abs(double(k) / rounds - target);
  }
  return sum;
}

TEST(Metrics, ExpectedMaeEqualsBruteForce) {
  for (const double share : {1e-6, 0.008, 0.1, 0.5, 0.77, 0.999}) {
    for (const double target : {0.0, 0.008, 0.3, 0.5, 1.0}) {
      for (const int rounds : {1, 2, 7, 100, 1000}) {
        EXPECT_NEAR(expected_mae({share, 1 - share}, {target, 1 - target}, uint64_t(rounds)),
                    brute_force(share, target, rounds), 1e-11)
            << share << " " << target << " " << rounds;
      }
    }
  }
}

TEST(Metrics, ExpectedMaeIsDefinedAtTheEnds) {
  EXPECT_NEAR(expected_mae({0, 1}, {0, 1}, 100), 0, tight);
  EXPECT_NEAR(expected_mae({0, 1}, {0.25, 0.75}, 100), 0.25, tight);
  EXPECT_NEAR(expected_mae({0.5, 0.5}, {0.5, 0.5}, 1), 0.5, tight);
  EXPECT_THROW(expected_mae({0.5, 0.5}, {0.5, 0.5}, 0), InternalError);
}

TEST(Metrics, ExpectedMaeIsStableForManyRounds) {
  // De Moivre's closed form at p = 1/2, N even: E|X/N - 1/2| = C(N, N/2) 2^-N / 2, which tends to 1/sqrt(2 pi
  // N).
  constexpr double rounds = 1e6;
  const double limit = 1 / std::sqrt(2 * std::acos(-1.0) * rounds);
  EXPECT_NEAR(expected_mae({0.5, 0.5}, {0.5, 0.5}, 1000000) / limit, 1 - 1 / (4 * rounds), 1e-10);
  // Far from the target, the error is the distance.
  EXPECT_NEAR(expected_mae({0.2, 0.8}, {0.6, 0.4}, 1000000), 0.4, 1e-10);
  EXPECT_GT(expected_mae({1e-9, 1 - 1e-9}, {1e-9, 1 - 1e-9}, 1000000), 0);
}

TEST(Metrics, FloorsOfTheSixDatasetsAreTheKnownOnes) {
  struct Floor {
    const char* name;
    uint64_t rounds;
    double value;
  };
  for (const Floor& known : {Floor{"gender-uk-real", 100, 0.031}, Floor{"gender-us-real", 100, 0.032},
                             Floor{"gender-uk-even", 100, 0.040}, Floor{"gender-us-even", 100, 0.040},
                             Floor{"race-us-even", 100, 0.032}, Floor{"sentiment-us-even", 90, 0.040}}) {
    const Dataset dataset = parse_dataset(find_dataset(known.name));
    double sum = 0;
    for (const Subject& subject : dataset.subjects)
      sum += expected_mae(subject.target, subject.target, known.rounds);
    EXPECT_NEAR(sum / double(dataset.subjects.size()), known.value, 0.0005) << known.name;
  }
}

TEST(Metrics, OneSubjectByHand) {
  // Counts 30 + 10 and 45 + 5 over two wordings, 8 unparsed, 2 cut: observed 75/90 and 15/90 against 0.7 and
  // 0.3.
  const MeasureResult result = make_result(
      1, 2, {make_prompt({30, 10, 8, 2}, {0.6, 0.3}, 0.1), make_prompt({45, 5, 0, 0}, {0.8, 0.2}, 0)});
  const DatasetMetrics metrics = measure_metrics(result, {{0.7, 0.3}});
  ASSERT_EQ(metrics.subjects.size(), 1u);
  const SubjectMetrics& subject = metrics.subjects[0];
  EXPECT_NEAR(subject.observed[0], 75.0 / 90, tight);
  EXPECT_NEAR(*subject.mae, 75.0 / 90 - 0.7, tight);
  EXPECT_NEAR(subject.unparsed_share, 0.1, tight);
  EXPECT_NEAR(*subject.floor, expected_mae({0.7, 0.3}, {0.7, 0.3}, 100), tight);
  EXPECT_NEAR(subject.coverage, 0.75, tight);
  EXPECT_NEAR(subject.unexplored, 0.05, tight);
  EXPECT_EQ(metrics.rounds, 100u);
  // Exact: low 0.7 and 0.25; high is 0.7 and 0.4 in the first wording, 0.8 and 0.2 in the second: 0.75 and
  // 0.3.
  EXPECT_NEAR(subject.exact_low[0], 0.7, tight);
  EXPECT_NEAR(subject.exact_low[1], 0.25, tight);
  EXPECT_NEAR(subject.exact_high[0], 0.75, tight);
  EXPECT_NEAR(subject.exact_high[1], 0.3, tight);
  EXPECT_NEAR(*subject.exact_error, (0.05 + 0.05) / 2, tight);
  // Per wording: max(|0.6 - 0.7|, 0) and max(0, |0.4 - 0.3|); then 0.1 and 0.1.
  EXPECT_NEAR(*subject.exact_error_per_wording, 0.1, tight);
  const std::vector<double> shares = {0.7 / 0.95, 0.25 / 0.95};
  EXPECT_NEAR(*subject.expected_mae, expected_mae(shares, {0.7, 0.3}, 100), tight);
  EXPECT_NEAR(*subject.kl, 0.7 * std::log(0.7 / shares[0]) + 0.3 * std::log(0.3 / shares[1]), tight);
}

TEST(Metrics, WhatIsNoStoryIsLeftOut) {
  PromptResult prompt = make_prompt({30, 10, 5, 0}, {}, 1);
  prompt.no_story = 55;
  const DatasetMetrics metrics = measure_metrics(make_result(1, 1, {prompt}), {{0.5, 0.5}});
  EXPECT_EQ(metrics.rounds, 100u);
  EXPECT_NEAR(metrics.no_story_share, 0.55, tight);
  EXPECT_NEAR(metrics.unparsed_share, 0.6, tight);
  EXPECT_NEAR(metrics.subjects[0].observed[0], 0.75, tight);
  EXPECT_NEAR(*metrics.mae, 0.25, tight);
  EXPECT_NEAR(*metrics.floor, expected_mae({0.5, 0.5}, {0.5, 0.5}, 100), tight);
}

TEST(Metrics, WithoutExactSharesTheRoundsSpeak) {
  const DatasetMetrics metrics =
      measure_metrics(make_result(1, 1, {make_prompt({0, 9, 1, 0}, {}, 1)}), {{0.5, 0.5}});
  const SubjectMetrics& subject = metrics.subjects[0];
  EXPECT_FALSE(subject.exact_error.has_value());
  EXPECT_FALSE(subject.exact_error_per_wording.has_value());
  EXPECT_FALSE(subject.expected_mae.has_value());
  EXPECT_FALSE(metrics.exact_error.has_value());
  EXPECT_EQ(metrics.subjects_with_exact, 0);
  EXPECT_NEAR(*subject.mae, 0.5, tight);
  EXPECT_NEAR(*subject.kl, 0.5 * std::log(0.5 / 0.05) + 0.5 * std::log(0.5 / 0.95),
              tight);  // 1/2 is added to each count
}

TEST(Metrics, AnImpossibleCategoryLeavesTheKlToTheRounds) {
  const MeasureResult result = make_result(1, 1, {make_prompt({0, 10, 0, 0}, {0, 1}, 0)});
  const SubjectMetrics subject = measure_metrics(result, {{0.5, 0.5}}).subjects[0];
  EXPECT_NEAR(*subject.kl, 0.5 * std::log(0.5 * 11 / 0.5) + 0.5 * std::log(0.5 * 11 / 10.5), tight);
  EXPECT_NEAR(*subject.exact_error, 0.5, tight);
}

TEST(Metrics, ATargetOfZeroAddsNothingToTheKl) {
  const MeasureResult result = make_result(1, 1, {make_prompt({0, 10, 0, 0}, {0, 1}, 0)});
  EXPECT_NEAR(*measure_metrics(result, {{0, 1}}).subjects[0].kl, 0, tight);
}

TEST(Metrics, NothingParsedIsNoError) {
  const DatasetMetrics metrics =
      measure_metrics(make_result(1, 1, {make_prompt({0, 0, 7, 3}, {}, 1)}), {{0.5, 0.5}});
  EXPECT_TRUE(metrics.subjects[0].observed.empty());
  EXPECT_FALSE(metrics.subjects[0].mae.has_value());
  EXPECT_FALSE(metrics.subjects[0].kl.has_value());
  EXPECT_FALSE(metrics.mae.has_value());
  EXPECT_EQ(metrics.unparsed_share, 1);
  EXPECT_GT(*metrics.floor, 0);
}

TEST(Metrics, NoRoundsAtAllLeaveTheExactShares) {
  const DatasetMetrics metrics =
      measure_metrics(make_result(1, 1, {make_prompt({0, 0, 0, 0}, {0.5, 0.5}, 0)}), {{0.5, 0.5}});
  EXPECT_FALSE(metrics.floor.has_value());
  EXPECT_EQ(metrics.unparsed_share, 0);
  EXPECT_FALSE(metrics.expected_mae.has_value());
  EXPECT_NEAR(*metrics.exact_error, 0, tight);
  EXPECT_NEAR(*metrics.kl, 0, tight);
}

TEST(Metrics, AnUnknownTargetHasSharesButNoErrors) {
  const DatasetMetrics metrics = measure_metrics(
      make_result(2, 1, {make_prompt({3, 1, 0, 0}, {0.7, 0.3}, 0), make_prompt({1, 1, 0, 0}, {0.5, 0.5}, 0)}),
      {{}, {0.5, 0.5}});
  EXPECT_NEAR(metrics.subjects[0].observed[0], 0.75, tight);
  EXPECT_NEAR(metrics.subjects[0].exact_low[0], 0.7, tight);
  EXPECT_FALSE(metrics.subjects[0].mae.has_value());
  EXPECT_FALSE(metrics.subjects[0].exact_error.has_value());
  EXPECT_FALSE(metrics.subjects[0].kl.has_value());
  EXPECT_EQ(metrics.subjects_with_mae, 1);
  EXPECT_NEAR(*metrics.floor, expected_mae({0.5, 0.5}, {0.5, 0.5}, 2), tight);
}

TEST(Metrics, MeansOverSubjects) {
  const MeasureResult result =
      make_result(3, 1,
                  {make_prompt({5, 5, 0, 0}, {0.5, 0.5}, 0), make_prompt({7, 3, 0, 0}, {0.8, 0.2}, 0),
                   make_prompt({0, 0, 10, 0}, {}, 1)});
  const DatasetMetrics metrics = measure_metrics(result, {{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}});
  EXPECT_NEAR(*metrics.mae, 0.1, tight);
  EXPECT_NEAR(*metrics.mae_deviation, std::sqrt(0.02), tight);
  EXPECT_EQ(metrics.subjects_with_mae, 2);
  EXPECT_NEAR(*metrics.exact_error, 0.15, tight);
  EXPECT_NEAR(metrics.worst_exact_error, 0.3, tight);
  EXPECT_EQ(metrics.subjects_with_exact, 2);
  EXPECT_NEAR(metrics.unparsed_share, 1.0 / 3, tight);
  EXPECT_NEAR(metrics.unexplored, 1.0 / 3, tight);
}

TEST(Metrics, AnEmptyTestSetHasNoMeans) {
  const DatasetMetrics metrics = measure_metrics(MeasureResult{}, {});
  EXPECT_FALSE(metrics.mae.has_value());
  EXPECT_FALSE(metrics.mae_deviation.has_value());
  EXPECT_FALSE(metrics.floor.has_value());
  EXPECT_EQ(metrics.rounds, 0u);
}

TEST(Metrics, RefusesResultsOfAnotherShape) {
  EXPECT_THROW(measure_metrics(make_result(1, 1, {}), {{0.5, 0.5}}), InternalError);
  EXPECT_THROW(measure_metrics(make_result(1, 1, {make_prompt({1, 1, 0}, {}, 1)}), {{0.5, 0.5}}),
               InternalError);
  EXPECT_THROW(measure_metrics(make_result(1, 1, {make_prompt({1, 1, 0, 0}, {}, 1)}), {{1}}), InternalError);
}

TEST(Metrics, CorrelationIsOverSubjectsAndOfTheMiddleOfTheBounds) {
  auto share = [](double male, double unexplored) {
    return make_prompt({1, 1, 0, 0}, {male, 1 - male - unexplored}, unexplored);
  };
  const std::vector<std::vector<double>> targets = {{0.1, 0.9}, {0.5, 0.5}, {0.9, 0.1}};
  const MeasureResult linear = make_result(3, 1, {share(0.3, 0), share(0.5, 0), share(0.7, 0)});
  EXPECT_NEAR(*measure_metrics(linear, targets).correlation, 1, tight);
  const MeasureResult bounded = make_result(3, 1, {share(0.2, 0.2), share(0.5, 0), share(0.7, 0)});
  EXPECT_NEAR(*measure_metrics(bounded, targets).correlation, 1, tight);  // with Male at 0.3, 0.5, 0.7
  const MeasureResult bent = make_result(3, 1, {share(0.2, 0), share(0.8, 0), share(0.5, 0)});
  EXPECT_NEAR(*measure_metrics(bent, targets).correlation, 0.5, tight);  // by hand: 0.12 / sqrt(0.32 x 0.18)
  EXPECT_FALSE(measure_metrics(linear, {{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}}).correlation);
  EXPECT_FALSE(
      measure_metrics(linear, {{0.1, 0.9}, {0.9, 0.1}, {}}).correlation);  // two points give no correlation
  const MeasureResult dark = make_result(3, 1, {share(0.3, 0), share(0.5, 0), share(0.1, 0.8)});
  EXPECT_FALSE(measure_metrics(dark, targets).correlation);
}

TEST(Metrics, AgreementIsOfRoundsThatBeginWithASteeringText) {
  MeasureResult result = make_result(1, 1, {make_prompt({60, 30, 8, 2}, {0.6, 0.3}, 0)});
  EXPECT_FALSE(measure_metrics(result, {{0.5, 0.5}}).agreement);
  result.prompts[0].answers = {{0, 60, -1, Finish::end, "0 Male"},
                               {1, 20, -2, Finish::end, "1 Female"},
                               {1, 10, -3, Finish::end, "0 Female"},
                               {-1, 8, -4, Finish::end, "1 who knows"},
                               {0, 2, -5, Finish::end, "Male"}};
  EXPECT_NEAR(measure_metrics(result, {{0.5, 0.5}}).agreement.value(), 80.0 / 98, tight);
}

TEST(Metrics, ChancesAreOfTheSubjectsOfWhichEnoughIsKnown) {
  // Six near their target, one without a target, one far off, and one whose rounds mostly have no category.
  std::vector<PromptResult> prompts(6, make_prompt({52, 48, 0, 0}, {0.5, 0.5}, 0));
  prompts[1] = make_prompt({47, 53, 0, 0}, {0.5, 0.5}, 0);
  prompts.push_back(make_prompt({90, 10, 0, 0}, {0.9, 0.1}, 0));
  prompts.push_back(make_prompt({90, 10, 0, 0}, {0.9, 0.1}, 0));
  prompts.push_back(make_prompt({20, 20, 60, 0}, {0.5, 0.5}, 0));
  std::vector<std::vector<double>> targets(9, {0.5, 0.5});
  targets[6] = {};
  const DatasetMetrics metrics = measure_metrics(make_result(9, 1, std::move(prompts)), targets);
  EXPECT_EQ(metrics.tested, 7);
  EXPECT_EQ(metrics.passes, 6);
  EXPECT_EQ(metrics.passes_of_perfect, 5);
  EXPECT_NEAR(metrics.subjects[0].perfect_rejection, 0.0569,
              1e-4);  // 40 or fewer, or 60 or more, of 100 tosses
  EXPECT_FALSE(metrics.subjects[6].p_value || metrics.subjects[8].p_value);
  EXPECT_GT(metrics.subjects[0].p_value.value(), 0.6);
  EXPECT_LT(metrics.subjects[7].p_value.value(), 1e-9);
  EXPECT_LT(metrics.subjects[0].observed_low[0], 0.5);
  EXPECT_GT(metrics.subjects[0].observed_high[0], 0.52);
  EXPECT_LT(metrics.mae_interval.value().low, metrics.mae.value());
  EXPECT_GE(metrics.mae_interval.value().low, 0);
  EXPECT_GT(metrics.mae_interval.value().high, metrics.mae.value());
  EXPECT_GT(metrics.detectable.value(), *metrics.floor);
}

}  // namespace
}  // namespace apportion
