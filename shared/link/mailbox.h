// Where messages wait for their receiver: a queue between threads of one process. Bytes, not messages: what
// is read here was encoded and is decoded, whichever way it came.
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

  /// The oldest message, waiting for one at most `wait`. Throws DataError for bytes that are no message, and
  /// what `fail` was given once the queue is empty.
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
