// Control messages between real ranks: none is lost or duplicated and each sender's arrive in order, whatever
// the main threads do meanwhile.
#include "shared/link/link_mpi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "shared/base/error.h"
#include "shared/link/interrupt.h"
#include "tests/support/mpi_main.h"

namespace apportion {
namespace {

using std::chrono::milliseconds;

constexpr auto patience = milliseconds(30000);

[[noreturn]] void end_test_run(int exit_code) { test_ranks().abort(exit_code); }

/// The next message that is not a heartbeat.
Received next_message(Link& link) {
  for (;;) {
    auto received = link.receive(patience);
    if (!received) throw InternalError("no message came");
    if (!std::holds_alternative<Heartbeat>(received->message)) return std::move(*received);
  }
}

Progress progress(int64_t step, size_t extra_bytes = 0) {
  Progress message;
  message.step = step;
  message.stage = std::string(extra_bytes, 'x');
  return message;
}

TEST(MpiLink, OnlyRankZeroHasTheCoordinatorsEnd) {
  MpiLink link(test_ranks(), end_test_run);
  if (test_ranks().rank() == 0) {
    EXPECT_NO_THROW(link.coordinator());
  } else {
    EXPECT_THROW(link.coordinator(), InternalError);
  }
  EXPECT_THROW(link.worker().send(test_ranks().size(), Stop{}), InternalError);
}

TEST(MpiLink, EveryRankIsReachedAndAnswers) {
  MpiLink link(test_ranks(), end_test_run);
  int size = test_ranks().size();
  if (test_ranks().rank() == 0) {
    for (int rank = 0; rank < size; ++rank) link.coordinator().send(rank, progress(100 + rank));
  }
  Received asked = next_message(link.worker());
  EXPECT_EQ(asked.from, coordinator_address);
  EXPECT_EQ(std::get<Progress>(asked.message).step, 100 + test_ranks().rank());
  link.worker().send(coordinator_address, progress(200 + test_ranks().rank()));
  if (test_ranks().rank() == 0) {
    std::vector<bool> heard(static_cast<size_t>(size), false);
    for (int count = 0; count < size; ++count) {
      Received answer = next_message(link.coordinator());
      EXPECT_EQ(std::get<Progress>(answer.message).step, 200 + answer.from);
      EXPECT_FALSE(heard.at(static_cast<size_t>(answer.from)));
      heard[static_cast<size_t>(answer.from)] = true;
    }
  }
}

TEST(MpiLink, AStormArrivesWholeAndInOrder) {
  constexpr int64_t messages = 3000;
  MpiLink link(test_ranks(), end_test_run);
  // Sizes below and above MPI's limit for eager sends.
  for (int64_t step = 0; step < messages; ++step) {
    link.worker().send(coordinator_address, progress(step, step % 100 == 0 ? 300000 : 0));
  }
  if (test_ranks().rank() == 0) {
    std::vector<int64_t> next(static_cast<size_t>(test_ranks().size()), 0);
    for (int64_t count = 0; count < messages * test_ranks().size(); ++count) {
      Received received = next_message(link.coordinator());
      const Progress& message = std::get<Progress>(received.message);
      ASSERT_EQ(message.step, next[static_cast<size_t>(received.from)]++);
      ASSERT_EQ(message.stage.size(), message.step % 100 == 0 ? 300000u : 0u);
    }
  }
}

TEST(MpiLink, BeatsForARankWhoseMainThreadIsBusy) {
  MpiLink link(test_ranks(), end_test_run);
  if (test_ranks().rank() == 0) {
    std::vector<int> beats(static_cast<size_t>(test_ranks().size()), 0);
    while (*std::min_element(beats.begin(), beats.end()) < 2) {
      auto received = link.coordinator().receive(patience);
      ASSERT_TRUE(received);
      ASSERT_TRUE(std::holds_alternative<Heartbeat>(received->message));
      ++beats[static_cast<size_t>(received->from)];
    }
    for (int rank = 0; rank < test_ranks().size(); ++rank) link.coordinator().send(rank, Stop{});
  }
  // The other ranks' main threads wait without touching the link's sending side.
  EXPECT_TRUE(std::holds_alternative<Stop>(next_message(link.worker()).message));
}

TEST(MpiLink, WhatWasSentLastArrivesBeforeTheLinkEnds) {
  for (int64_t repeat = 0; repeat < 20; ++repeat) {
    MpiLink link(test_ranks(), end_test_run);
    link.worker().send(coordinator_address, progress(repeat, 100000));
    if (test_ranks().rank() == 0) {
      for (int count = 0; count < test_ranks().size(); ++count) {
        EXPECT_EQ(std::get<Progress>(next_message(link.coordinator()).message).step, repeat);
      }
    }
  }
}

/// Must be the file's last test: what is noted stays noted in its process.
TEST(MpiLink, WhatOneRankIsAskedAllKnow) {
  MpiLink link(test_ranks(), end_test_run, 60);
  const int size = test_ranks().size(), asked = size - 1;
  if (test_ranks().rank() == asked) note_interrupt(SIGUSR2, asked);
  const auto end = std::chrono::steady_clock::now() + patience;
  while (interrupt_signal() == 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(interrupt_signal(), SIGUSR2);
  // A rank that left at once would tell nobody: all stay until rank 0 knows.
  if (test_ranks().rank() == 0) {
    for (int rank = 0; rank < size; ++rank) link.coordinator().send(rank, Stop{});
  }
  EXPECT_TRUE(std::holds_alternative<Stop>(next_message(link.worker()).message));
}

}  // namespace
}  // namespace apportion
