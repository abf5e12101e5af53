// Messages between ranks that share no memory: an exchange is lists of messages to send and to receive, in an
// order that cannot block, of which some are in flight at a time, and sums over what has come. ExchangeDriver
// drives exchanges by a thread while any is in flight. How one message goes is a Messenger's (MPI's, or a
// queue between threads); which messages an operation needs is transfers.cpp's.
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

/// Non-blocking point-to-point messages of one group. Messages of one sender, receiver and tag arrive in the
/// order of their sending. Calls are serialised by the caller.
class Messenger {
 public:
  virtual ~Messenger() = default;
  /// Both return a number for test() and cancel(). The bytes stay valid until test() was true.
  virtual int64_t start_send(const PeerMessage& message, int tag) = 0;
  virtual int64_t start_receive(const PeerMessage& message, int tag) = 0;
  /// Whether it is complete; then the number is free again. Throws RankError when it failed.
  virtual bool test(int64_t number) = 0;
};

/// One round of messages. Receives come in groups of `group_size` (0: all are one group); sum(g) is called
/// once for each group in order when its messages have come, until it returns true ("not yet" is false).
/// Receives of group g are made only when sum(g - 2) was true, so that two groups need memory.
struct Round {
  std::vector<PeerMessage> sends, receives;
  int64_t group_size = 0;
  std::function<bool(int64_t group)> sum;
};

class Exchange {
 public:
  /// Rounds follow each other: all of a round is complete before a message of the next is started.
  Exchange(std::vector<Round> rounds, int tag);

  /// Starts, tests and sums what can be; true when something moved.
  bool advance(Messenger& messenger);
  bool done() const { return round_ == rounds_.size(); }
  /// Rounds that are complete.
  size_t rounds_done() const { return round_; }
  /// The group rank of the first message that is missing: one to receive if there is, else one to send; -1.
  int missing() const;

 private:
  /// A list of messages of which the first `started` are started; numbers of those that are not complete yet.
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

/// Drives exchanges from the start of each to its end, by a thread that exists while there may be any and
/// sleeps between tests. All calls of the Messenger go through here.
class ExchangeDriver {
 public:
  explicit ExchangeDriver(std::shared_ptr<Messenger> messenger);
  ~ExchangeDriver();
  ExchangeDriver(const ExchangeDriver&) = delete;
  ExchangeDriver& operator=(const ExchangeDriver&) = delete;

  /// `exchange` with `keep`, what its messages and sums need, until it is done or for ever when it failed.
  struct Task {
    Exchange exchange;
    std::shared_ptr<void> keep;
    std::exception_ptr error;
  };
  void start(const std::shared_ptr<Task>& task);
  /// Advances it; the number of rounds done. Rethrows what the exchange threw, here or in the thread.
  size_t advance(Task& task);
  int missing(const Task& task);
  /// Ends the thread. What is still in flight stays so: its exchanges and the messenger are kept for ever,
  /// since their memory is still read and written. Called by a thread other than its own before the last
  /// reference goes.
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
