// The queue between threads; see mailbox.h.
#include "shared/link/mailbox.h"

#include <utility>

namespace apportion {

void Mailbox::put(int from, std::string bytes) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back({from, std::move(bytes)});
  }
  arrived_.notify_one();
}

std::optional<Received> Mailbox::take(std::chrono::milliseconds wait) {
  Envelope envelope;
  {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, wait, [this] { return !queue_.empty() || failure_; });
    if (queue_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    envelope = std::move(queue_.front());
    queue_.pop_front();
  }
  return Received{envelope.from, decode(envelope.bytes, envelope.from)};
}

void Mailbox::fail(std::exception_ptr reason) {
  {
    std::lock_guard lock(mutex_);
    failure_ = std::move(reason);
  }
  arrived_.notify_all();
}

}  // namespace apportion
