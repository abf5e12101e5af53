// The first signal of a kind is noted; the second ends the process.
#include "shared/link/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace apportion {
namespace {

TEST(InterruptDeathTest, NotesTheFirstSignalAndDiesOfTheSecond) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto signal_twice = [] {
    install_interrupt_handler();
    if (interrupt_signal() != 0) std::_Exit(10);
    std::raise(SIGTERM);
    if (interrupt_signal() != SIGTERM) std::_Exit(11);
    std::raise(SIGTERM);
    std::_Exit(12);
  };
  EXPECT_EXIT(signal_twice(), testing::KilledBySignal(SIGTERM), "");
}

TEST(Interrupt, HasANameForPeople) {
  EXPECT_STREQ(interrupt_name(SIGINT), "Ctrl-C");
  EXPECT_STREQ(interrupt_name(SIGTERM), "SIGTERM");
}

}  // namespace
}  // namespace apportion
