// Where messages wait for their receiver: a queue between threads of one process. It holds bytes, not
// messages, so all messages are encoded and decoded, whichever way they came.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>

#include "shared/link/link.h"

namespace apportion {

class Mailbox {
 public:
  /// Adds encoded bytes from `from` (a world rank or coordinator_address).
  void put(int from, std::string bytes);

  /// The oldest message; waits at most `wait` for one. Throws DataError for bytes that are not a message, and
  /// once the queue is empty the reason given to fail().
  std::optional<Received> take(std::chrono::milliseconds wait);

  /// No more will come, because of `reason`.
  void fail(std::exception_ptr reason);

 private:
  struct Envelope {
    int from;
    std::string bytes;
  };

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Envelope> queue_;
  std::exception_ptr failure_;
};

}  // namespace apportion
