// The rank that has been silent longest is named once it passes the limit; the time is the test's own.
#include "coordinator/health.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Health, NamesTheRankThatHasBeenSilentLongest) {
  Health health(3, 60, 100);
  EXPECT_FALSE(health.silent_rank(160));
  health.heard(0, 130);
  health.heard(2, 120);
  EXPECT_EQ(health.silent_rank(161), 1);
  health.heard(1, 161);
  EXPECT_EQ(health.silent_rank(200), 2);
}

TEST(Health, WithoutALimitNoneIsTooSilent) { EXPECT_FALSE(Health(2, 0, 0).silent_rank(1e9)); }

}  // namespace
}  // namespace apportion
