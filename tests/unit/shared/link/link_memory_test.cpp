// Messages within one process arrive once, in order, at the end they were sent to.
#include "shared/link/link_memory.h"

#include <gtest/gtest.h>

#include <thread>

#include "shared/base/error.h"

namespace apportion {
namespace {

using std::chrono::milliseconds;

int64_t step_of(const Received& received) { return std::get<Progress>(received.message).step; }

Progress progress(int64_t step) {
  Progress message;
  message.step = step;
  return message;
}

TEST(MemoryLinks, DeliverToTheAddressedEndOnly) {
  MemoryLinks links(2);
  links.coordinator().send(1, progress(7));
  EXPECT_FALSE(links.worker(0).receive(milliseconds(0)));
  auto received = links.worker(1).receive(milliseconds(0));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->from, coordinator_address);
  EXPECT_EQ(step_of(*received), 7);
  EXPECT_FALSE(links.worker(1).receive(milliseconds(0)));
}

TEST(MemoryLinks, TellTheCoordinatorWhoSent) {
  MemoryLinks links(3);
  links.worker(2).send(coordinator_address, progress(1));
  links.worker(0).send(coordinator_address, progress(2));
  EXPECT_EQ(links.coordinator().receive(milliseconds(0))->from, 2);
  EXPECT_EQ(links.coordinator().receive(milliseconds(0))->from, 0);
}

TEST(MemoryLinks, KeepTheOrderOfEachSenderAcrossThreads) {
  constexpr int workers = 4;
  constexpr int64_t messages = 2000;
  MemoryLinks links(workers);
  std::vector<std::thread> senders;
  for (int rank = 0; rank < workers; ++rank) {
    senders.emplace_back([&links, rank] {
      for (int64_t step = 0; step < messages; ++step)
        links.worker(rank).send(coordinator_address, progress(step));
    });
  }
  std::vector<int64_t> next(workers, 0);
  for (int64_t count = 0; count < workers * messages; ++count) {
    auto received = links.coordinator().receive(milliseconds(60000));
    ASSERT_TRUE(received);
    EXPECT_EQ(step_of(*received), next[static_cast<size_t>(received->from)]++);
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_FALSE(links.coordinator().receive(milliseconds(0)));
}

TEST(MemoryLinks, RefuseRanksThatDoNotExist) {
  MemoryLinks links(1);
  EXPECT_THROW(links.worker(1), InternalError);
  EXPECT_THROW(links.coordinator().send(1, Stop{}), InternalError);
  EXPECT_THROW(links.coordinator().send(-2, Stop{}), InternalError);
}

}  // namespace
}  // namespace apportion
