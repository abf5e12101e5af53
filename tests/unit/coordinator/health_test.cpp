// The rank that has been silent longest is named once it passes the limit. The test supplies the time.
#include "coordinator/health.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

/// Asks twice a second, as a coordinator does when nothing holds it up.
std::optional<int> silent_at_end(Health& health, double from, double to) {
  std::optional<int> rank;
  for (double now = from; now <= to; now += 0.5) rank = health.silent_rank(now);
  return rank;
}

TEST(Health, NamesTheRankThatHasBeenSilentLongest) {
  Health health(3, 60, 100);
  EXPECT_FALSE(silent_at_end(health, 100, 120));
  health.heard(2, 120);
  EXPECT_FALSE(silent_at_end(health, 120, 130));
  health.heard(0, 130);
  EXPECT_FALSE(silent_at_end(health, 130, 160));
  EXPECT_EQ(silent_at_end(health, 160, 161), 1);
  health.heard(1, 161);
  EXPECT_EQ(silent_at_end(health, 161, 185), 2);
}

TEST(Health, TimeInWhichTheCoordinatorWasAwayDoesNotCount) {
  Health health(2, 60, 0);
  EXPECT_FALSE(silent_at_end(health, 0, 50));
  EXPECT_FALSE(health.silent_rank(5000));
  EXPECT_FALSE(silent_at_end(health, 5000, 5008));
  EXPECT_EQ(silent_at_end(health, 5008, 5010), 0) << "50 s, one for being away, and 10 s";
}

TEST(Health, WithoutALimitNoneIsTooSilent) {
  Health health(2, 0, 0);
  EXPECT_FALSE(silent_at_end(health, 0, 1e4));
}

}  // namespace
}  // namespace apportion
