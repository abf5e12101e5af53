// Units may arrive in any order; every prompt must come exactly once, with the requested number of rounds.
#include "coordinator/group_run.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// 7 rounds over 2 wordings: 4 for the first, 3 for the second.
Aggregator aggregator() { return Aggregator(2, 2, 2, 7); }

PromptResult prompt(int subject, int wording) {
  PromptResult result;
  result.subject = subject;
  result.wording = wording;
  result.counts = {wording == 0 ? 3u : 2u, 0, 1, 0};
  result.steering = {0.5, 0.25};
  result.low = {0.1, 0.2};
  return result;
}

TEST(Aggregator, PutsPromptsInOrder) {
  Aggregator all = aggregator();
  all.add({"t", 1, {prompt(1, 1), prompt(0, 1)}});
  all.add({"t", 0, {prompt(1, 0), prompt(0, 0)}});
  MeasureResult result = all.take();
  ASSERT_EQ(result.prompts.size(), 4u);
  for (int subject = 0; subject < 2; ++subject) {
    for (int wording = 0; wording < 2; ++wording) {
      EXPECT_EQ(result.at(subject, wording).subject, subject);
      EXPECT_EQ(result.at(subject, wording).wording, wording);
    }
  }
}

TEST(Aggregator, RefusesAPromptThatCameBefore) {
  Aggregator all = aggregator();
  all.add({"t", 0, {prompt(0, 0)}});
  EXPECT_THROW(all.add({"t", 1, {prompt(0, 0)}}), InternalError);
}

TEST(Aggregator, RefusesAnIncompleteSet) {
  Aggregator all = aggregator();
  all.add({"t", 0, {prompt(0, 0), prompt(0, 1), prompt(1, 0)}});
  EXPECT_THROW(all.take(), InternalError);
}

TEST(Aggregator, RefusesPromptsThatWereNotAsked) {
  Aggregator all = aggregator();
  EXPECT_THROW(all.add({"t", 0, {prompt(2, 0)}}), InternalError);
  EXPECT_THROW(all.add({"t", 0, {prompt(-1, 0)}}), InternalError);
  EXPECT_THROW(all.add({"t", 0, {prompt(0, 2)}}), InternalError);
}

TEST(Aggregator, RefusesOtherShapesAndSums) {
  Aggregator all = aggregator();
  PromptResult short_counts = prompt(0, 0);
  short_counts.counts.pop_back();
  EXPECT_THROW(all.add({"t", 0, {short_counts}}), InternalError);
  PromptResult lost_round = prompt(0, 0);
  lost_round.counts[0] -= 1;
  EXPECT_THROW(all.add({"t", 0, {lost_round}}), InternalError);
  PromptResult no_shares = prompt(0, 0);
  no_shares.low.clear();
  EXPECT_THROW(all.add({"t", 0, {no_shares}}), InternalError);
}

}  // namespace
}  // namespace apportion
