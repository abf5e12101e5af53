// What is said about a perfect sampler, against 4,000 of its measurements (40,000 for a single subject).
#include "shared/statistics/perfect_sampler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "shared/base/counter_rng.h"
#include "shared/statistics/binomial.h"

namespace apportion {
namespace {

double drawn_mae(const AskedSubject& subject, CounterRng& rng) {
  const std::vector<uint64_t> counts = draw_multinomial(subject.rounds, subject.target, rng);
  double error = 0;
  for (size_t j = 0; j < counts.size(); ++j)
    error +=
        std::abs(static_cast<double>(counts[j]) / static_cast<double>(subject.rounds) - subject.target[j]);
  return error / static_cast<double>(counts.size());
}

double share_above(const std::vector<AskedSubject>& subjects, double limit) {
  const int measurements = subjects.size() == 1 ? 40'000 : 4000;  // one subject comes closest to a bound
  CounterRng rng(subjects.size(), "perfect");
  int above = 0;
  for (int m = 0; m < measurements; ++m) {
    double sum = 0;
    for (const AskedSubject& subject : subjects) sum += drawn_mae(subject, rng);
    above += sum / static_cast<double>(subjects.size()) > limit ? 1 : 0;
  }
  return static_cast<double>(above) / measurements;
}

TEST(DetectableMae, IsExceededIn4To6Of100) {
  const std::vector<std::vector<double>> targets = {
      {0.5, 0.5}, {0.9, 0.1}, {0.3, 0.7}, {0.02, 0.98}, {0.5, 0.3, 0.2}, {0.4, 0.3, 0.1, 0.1, 0.05, 0.05}};
  for (const uint64_t rounds : {100U, 1000U}) {
    for (const std::vector<double>& target : targets) {
      for (const size_t subjects : {1U, 6U, 40U}) {
        if (subjects == 1 && rounds == 100 && target.size() == 2)
          continue;  // MAE has only a few values, each likelier than 1 in 100
        const std::vector<AskedSubject> asked(subjects, {target, rounds});
        const double share = share_above(asked, detectable_mae(asked));
        EXPECT_GE(share, 0.04) << subjects << " subjects, " << rounds << " rounds, " << target[0];
        EXPECT_LE(share, 0.06) << subjects << " subjects, " << rounds << " rounds, " << target[0];
      }
    }
  }
}

TEST(DetectableMae, OfOneSubjectIsTheNormalNumbersQuantile) {
  // Half of 100 rounds: 1.96 standard deviations of 0.05, up to the gap between the gamma distribution and
  // the truth.
  EXPECT_NEAR(detectable_mae({{{0.5, 0.5}, 100}}), 0.098, 0.0015);
  EXPECT_EQ(detectable_mae({{{1, 0}, 100}}), 0);
  EXPECT_EQ(detectable_mae({}), 0);
}

TEST(PassesOfPerfect, IsTheBinomialQuantile) {
  const auto of = [](size_t subjects) { return passes_of_perfect(std::vector<double>(subjects, 0.05)); };
  EXPECT_EQ(of(0), 0);
  EXPECT_EQ(of(1), 0);     // one in twenty fails
  EXPECT_EQ(of(40), 35);   // 34 or fewer: 0.0139; 35 or fewer: 0.0480
  EXPECT_EQ(of(100), 90);  // 89 or fewer: 0.0115; 90 or fewer: 0.0282
  EXPECT_EQ(passes_of_perfect({0, 0, 0}), 3);
  EXPECT_EQ(passes_of_perfect({1, 0, 1, 0.5}), 1);  // 1 and 2 are equally likely
}

TEST(DetectableMae, OfASubjectWithoutRoundsIsNothing) {
  EXPECT_EQ(detectable_mae({{{0.5, 0.5}, 0}}), 0);
  EXPECT_NEAR(detectable_mae({{{0.5, 0.5}, 0}, {{0.5, 0.5}, 100}}), 0.098 / 2, 0.001);
}

}  // namespace
}  // namespace apportion
