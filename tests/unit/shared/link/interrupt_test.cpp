// The first signal of a kind is noted, and the one noted first stays; a second of the same kind ends the
// process. Each test runs in its own process, because what is noted stays noted.
#include "shared/link/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>
#include <ctime>

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

/// Runs `action` in its own process, where it must return true.
template <typename Action>
void expect_true(const Action& action) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(action() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, InABatchJobSigtermMayComeTwiceAndNothingElse) {
  expect_true([] {
    install_interrupt_handler(true);
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    return interrupt_signal() == SIGTERM;
  });
  EXPECT_EXIT(
      {
        install_interrupt_handler(true);
        std::raise(SIGUSR1);
        std::raise(SIGUSR1);
        std::_Exit(12);
      },
      testing::KilledBySignal(SIGUSR1), "");
}

TEST(InterruptDeathTest, NotesTheFirstOfSeveralKinds) {
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
    expect_true([&] {
      install_interrupt_handler();
      std::raise(signal);
      for (int other : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
        if (other != signal) std::raise(other);
      }
      note_interrupt(SIGHUP, 3);
      return interrupt_signal() == signal;
    });
  }
}

TEST(InterruptDeathTest, AnotherRanksInterruptionNamesItUntilOurOwnComes) {
  expect_true([] {
    install_interrupt_handler();
    note_interrupt(SIGUSR1, 3);
    const bool is_named = interrupt_signal() == SIGUSR1 && interrupt_name(SIGUSR1) == "SIGUSR1 on rank 3";
    std::raise(SIGUSR1);
    return is_named && interrupt_name(SIGUSR1) == "SIGUSR1";
  });
}

TEST(InterruptDeathTest, TheEndOfTheJobComesAtItsTime) {
  expect_true([] {
    const auto now = static_cast<double>(std::time(nullptr));
    set_end_of_job(now + 3600);
    const bool early = interrupt_signal() != 0;
    set_end_of_job(now);
    return !early && interrupt_signal() == end_of_job;
  });
}

TEST(InterruptDeathTest, OnlyABatchSystemStartsAgain) {
  for (const bool in_batch_job : {false, true}) {
    expect_true([&] {
      install_interrupt_handler(in_batch_job);
      return exit_code_of_interrupt(SIGINT) == interrupt_exit_code &&
             exit_code_of_interrupt(SIGTERM) == (in_batch_job ? requeue_exit_code : interrupt_exit_code) &&
             exit_code_of_interrupt(SIGUSR1) == requeue_exit_code &&
             exit_code_of_interrupt(SIGUSR2) == requeue_exit_code &&
             exit_code_of_interrupt(end_of_job) == requeue_exit_code;
    });
  }
}

TEST(Interrupt, HasANameForPeople) {
  EXPECT_EQ(interrupt_name(SIGINT), "Ctrl-C");
  EXPECT_EQ(interrupt_name(SIGTERM), "SIGTERM");
  EXPECT_EQ(interrupt_name(SIGUSR2), "SIGUSR2");
  EXPECT_EQ(interrupt_name(end_of_job), "the end of its job (SLURM_JOB_END_TIME)");
}

}  // namespace
}  // namespace apportion
