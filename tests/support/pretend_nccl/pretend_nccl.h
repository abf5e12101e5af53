// NCCL's C functions over threads of one process, for tests; linked instead of libnccl. Like a non-blocking
// one, a communicator takes calls later. An operation moves bytes once every rank's stream has reached it.
// Ranks that call different things, and calls that NCCL's manual forbids, are faults (take_pretend_faults).
// Streams are those of pretend_stream.h.
#pragma once

#include <functional>
#include <string>

namespace apportion {

/// What became of communicators since reset_pretend_nccl(), summed over ranks.
struct NcclCounts {
  int made = 0, destroyed = 0;
  int aborted = 0;         // of these ...
  int aborted_inside = 0;  // ... with an operation of this rank or a peer in flight
};
NcclCounts pretend_nccl_counts();

/// Call at the end of a test: remaining communicators are faults. Resets the counts.
void reset_pretend_nccl();

/// Called with the rank in each ncclCommAbort; nullptr: no more.
void watch_nccl_aborts(std::function<void(int rank)> watcher);

/// Gives every communicator an error, as when a network cable is pulled.
void break_pretend_nccl();

}  // namespace apportion
