// How control messages travel: one interface, in memory (one process) or over MPI (one link thread per rank).
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "shared/link/message.h"

namespace apportion {

/// The coordinator's address; workers are addressed by their world rank.
inline constexpr int coordinator_address = -1;

struct Received {
  int from;
  Message message;
};

/// One end of the control traffic: the coordinator's, or one worker's. No call except receive ever blocks on
/// a peer.
class Link {
 public:
  virtual ~Link() = default;
  virtual void send(int to, const Message& message) = 0;
  /// The next message for this end, or nothing after `wait`.
  virtual std::optional<Received> receive(std::chrono::milliseconds wait) = 0;
};

}  // namespace apportion
