// The time that a process had for waiting, as callers ask for it.
#include "shared/base/clock.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(WaitingClock, OfALongAbsenceOneSecondCounts) {
  WaitingClock clock(100);
  EXPECT_EQ(clock.seconds(100.25), 0.25);
  EXPECT_EQ(clock.seconds(101), 1);
  EXPECT_EQ(clock.seconds(9000), 2);
  EXPECT_EQ(clock.seconds(9000.5), 2.5);
}

}  // namespace
}  // namespace apportion
