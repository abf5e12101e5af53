// Messages between ranks that share no memory. An exchange has lists of messages to send and to receive, in
// an order that cannot block, with some in flight at a time, and sums over what has arrived. ExchangeDriver
// drives exchanges with a thread while any is in flight. A Messenger (MPI's, or a queue between threads)
// moves one message; transfers.cpp decides which messages an operation needs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace apportion {

struct PeerMessage {
  int peer = 0;  // group rank
  std::byte* data = nullptr;
  int64_t bytes = 0;
};

/// Non-blocking point-to-point messages of one group. Messages with the same sender, receiver and tag arrive
/// in the order they were sent. The caller serialises calls.
class Messenger {
 public:
  virtual ~Messenger() = default;
  /// Both return a number for test(). The bytes must stay valid until test() was true.
  virtual int64_t start_send(const PeerMessage& message, int tag) = 0;
  virtual int64_t start_receive(const PeerMessage& message, int tag) = 0;
  /// Whether the message is complete; if so the number is free again. Throws RankError when it failed.
  virtual bool test(int64_t number) = 0;
};

/// One round of messages. Receives form groups of `group_size` (0: all are one group). When a group's
/// messages have arrived, sum(g) is called, group by group in order, until it returns true (false: not yet).
/// Receives of group g start only after sum(g - 2) was true, so only two groups need memory.
struct Round {
  std::vector<PeerMessage> sends, receives;
  int64_t group_size = 0;
  std::function<bool(int64_t group)> sum;
};

class Exchange {
 public:
  /// Rounds run one after another: a round is complete before any message of the next starts.
  Exchange(std::vector<Round> rounds, int tag);

  /// Starts, tests and sums whatever is ready; returns true when something moved.
  bool advance(Messenger& messenger);
  bool done() const { return round_ == rounds_.size(); }
  /// Number of complete rounds.
  size_t rounds_done() const { return round_; }
  /// The group rank of the first incomplete message: a receive if there is one, else a send; -1 if there is
  /// none.
  int missing() const;

 private:
  /// Progress through a list of messages: how many were started, and the numbers of those not yet complete.
  struct Lane {
    size_t started = 0;
    std::vector<std::pair<int64_t, size_t>> in_flight;  // number, index
    size_t first_incomplete() const;
  };
  bool test_lane(Messenger& messenger, Lane& lane);
  bool start_receives(Messenger& messenger);
  bool start_sends(Messenger& messenger);
  bool sum_groups();

  std::vector<Round> rounds_;
  int tag_;
  size_t round_ = 0;
  Lane sends_, receives_;
  int64_t summed_ = 0;
};

/// Drives exchanges from start to end, with a thread that exists while there may be any and sleeps between
/// tests. All calls of the Messenger go through here.
class ExchangeDriver {
 public:
  explicit ExchangeDriver(std::shared_ptr<Messenger> messenger);
  ~ExchangeDriver();
  ExchangeDriver(const ExchangeDriver&) = delete;
  ExchangeDriver& operator=(const ExchangeDriver&) = delete;

  /// An exchange, and in `keep` what its messages and sums need, until it is done, or for ever if it failed.
  struct Task {
    Exchange exchange;
    std::shared_ptr<void> keep;
    std::exception_ptr error;
  };
  void start(const std::shared_ptr<Task>& task);
  /// Advances it and returns the number of rounds done. Rethrows what the exchange threw, here or in the
  /// thread.
  size_t advance(Task& task);
  int missing(const Task& task);
  /// Ends the thread. Messages in flight stay in flight: their exchanges and the messenger are kept for ever,
  /// since their memory is still read and written. Another thread must call this before the last reference is
  /// dropped.
  bool stop();

 private:
  void run();
  bool advance_locked(Task& task);

  std::shared_ptr<Messenger> messenger_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Task>> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace apportion
