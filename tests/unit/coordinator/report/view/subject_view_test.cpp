// What is shown of a subject, what is too uncertain to be shown, and the interval of its rounds.
#include "coordinator/report/view/subject_view.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

/// One subject in one wording: rounds by category, then unparsed and cut; exact shares.
MeasureView measure_of(const std::vector<uint64_t>& counts, const std::vector<double>& low,
                       double unexplored) {
  MeasureView view{"after", "v2", "", {}, {}};
  view.file.tables = {{"nurse"}, {"a", "b"}, {"Who?"}, {{0.25, 0.75}}};
  PromptResult prompt;
  prompt.counts = counts;
  prompt.low = low;
  prompt.steering = low;
  prompt.unexplored = unexplored;
  view.file.result = {1, 1, 2, {prompt}};
  view.metrics = metrics_of(view.file);
  return view;
}

TEST(SubjectView, ShowsWhatIsKnown) {
  const MeasureView before = measure_of({10, 0, 30, 0}, {0.1, 0.1}, 0.8),
                    after = measure_of({10, 30, 0, 0}, {0.3, 0.66}, 0.04);
  const SetView set = compare_subjects(&before, &after);
  ASSERT_EQ(set.subjects.size(), 1u);
  const SubjectView& subject = set.subjects[0];
  EXPECT_TRUE(subject.before.empty()) << "a quarter of the rounds has a category";
  EXPECT_TRUE(subject.exact_before.empty()) << "0.8 is unexplored";
  EXPECT_FALSE(subject.best_share_before(0));
  EXPECT_DOUBLE_EQ(*subject.best_share(0), 0.32);
  EXPECT_EQ(subject.after[0], 0.25);
  EXPECT_EQ(subject.parsed, 40);
  EXPECT_EQ(subject.closeness, Closeness::fair);
  EXPECT_EQ(subject.worst->category, 0u);
  EXPECT_NEAR(subject.worst->difference, 0.07, 1e-12);
}

TEST(SubjectView, OfTheUntouchedModelAloneNothingIsAfter) {
  const MeasureView before = measure_of({10, 30, 0, 0}, {0.3, 0.66}, 0.9);
  const SetView set = compare_subjects(&before, nullptr);
  EXPECT_FALSE(set.is_trained);
  EXPECT_TRUE(set.subjects[0].after.empty());
  EXPECT_EQ(set.sampled(set.subjects[0])[0], 0.25);
  EXPECT_EQ(*set.subjects[0].best_share_before(0), 0.25) << "of the rounds, where too much is unexplored";
}

}  // namespace
}  // namespace apportion
