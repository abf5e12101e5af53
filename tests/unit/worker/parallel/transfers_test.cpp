// What transfers do with messages: these tile tensors of more than 2^31 elements (in memory that nobody may
// touch), and move while the main thread does something else. The conformance suite (collectives_test.cpp)
// checks the results.
#include "worker/parallel/transfers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "shared/base/clock.h"

namespace apportion {
namespace {

/// Records what is sent and received but moves nothing; every `looks`-th test completes a message.
class NotingMessenger : public Messenger {
 public:
  explicit NotingMessenger(int looks) : looks_(looks) {}
  int64_t start_send(const PeerMessage& message, int) override {
    sent.push_back(message);
    return 0;
  }
  int64_t start_receive(const PeerMessage& message, int) override {
    received.push_back(message);
    return 0;
  }
  bool test(int64_t) override {
    const bool is_complete = ++tests_ % looks_ == 0;
    if (is_complete) ++completed;
    return is_complete;
  }

  std::vector<PeerMessage> sent, received;
  std::atomic<int> completed = 0;

 private:
  int looks_, tests_ = 0;
};

TransferMeans means_of(int ranks, int rank, const std::shared_ptr<Messenger>& messenger) {
  TransferMeans means;
  means.rank = rank;
  for (int world = 0; world < ranks; ++world) means.world_ranks.push_back(world);
  means.node_ranks = {rank};
  means.driver = std::make_shared<ExchangeDriver>(messenger);
  means.timeout_s = 50;
  means.throw_if_aborted = [](const std::string&) {};
  return means;
}

/// Addresses without memory behind them.
class Addresses {
 public:
  explicit Addresses(int64_t bytes)
      : bytes_(static_cast<size_t>(bytes)),
        data_(mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Addresses() { munmap(data_, bytes_); }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  at::Tensor tensor(int64_t elements, at::ScalarType type) const {
    return at::from_blob(data_, {elements}, type);
  }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  size_t bytes_;
  void* data_;
};

/// Checks that the messages cover [begin, begin + bytes) without gap or overlap.
void expect_tiles(std::vector<PeerMessage> messages, const std::byte* begin, int64_t bytes) {
  std::sort(messages.begin(), messages.end(), [](const auto& a, const auto& b) { return a.data < b.data; });
  int64_t done = 0;
  for (const PeerMessage& message : messages) {
    EXPECT_EQ(message.data - begin, done);
    EXPECT_GT(message.bytes, 0);
    EXPECT_LE(message.bytes, int64_t{1} << 30);  // MPI counts with int
    done += message.bytes;
  }
  EXPECT_EQ(done, bytes);
}

TEST(Transfers, MessagesOfAGatherTileMoreThan31BitsOfElements) {
  constexpr int64_t large = (int64_t{1} << 32) + 7;
  auto messenger = std::make_shared<NotingMessenger>(1);
  Transfers transfers(means_of(2, 0, messenger));
  const Addresses addresses(large);
  transfers.start_all_gather(at::empty({0}, at::kByte), addresses.tensor(large, at::kByte), {0, large})
      ->wait();
  expect_tiles(messenger->received, addresses.data(), large);
  EXPECT_TRUE(messenger->sent.empty());
}

TEST(Transfers, MessagesOfASumTileMoreThan31BitsOfElements) {
  constexpr int64_t large = (int64_t{1} << 31) + 5;
  auto messenger = std::make_shared<NotingMessenger>(1);
  Transfers transfers(means_of(3, 1, messenger));
  const Addresses addresses(2 * large * 4);
  const at::Tensor all = addresses.tensor(2 * large, at::kFloat);
  transfers.start_reduce_scatter(all, at::empty({0}), {large, 0, large})->wait();
  expect_tiles(messenger->sent, addresses.data(), 2 * large * 4);
  for (const PeerMessage& message : messenger->sent) {
    EXPECT_EQ(message.peer, message.data < addresses.data() + large * 4 ? 0 : 2);
  }
  EXPECT_TRUE(messenger->received.empty());
}

TEST(Transfers, MessagesMoveWhileNobodyWaits) {
  auto messenger = std::make_shared<NotingMessenger>(10);
  Transfers transfers(means_of(2, 0, messenger));
  const at::Tensor own = at::zeros({3}), all = at::empty({6});
  auto transfer = transfers.start_all_gather(own, all, {3, 3});
  const double start = seconds_now();
  while (messenger->completed < 2 && seconds_now() - start < 50) std::this_thread::yield();
  EXPECT_EQ(messenger->completed, 2);  // one sent, one received
  transfer->wait();
}

}  // namespace
}  // namespace apportion
