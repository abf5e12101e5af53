// NCCL's C functions over threads of one process, for tests; linked in libnccl's place. A communicator takes
// calls later, as one that does not block. An operation moves bytes when its stream has come to it and every
// rank's has; ranks that differ in what they call, and calls that NCCL's manual forbids, are faults
// (take_pretend_faults). Streams are those of pretend_stream.h.
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

/// At the end of a test: communicators that are left are faults. The counts begin anew.
void reset_pretend_nccl();

/// Called with the rank in each ncclCommAbort; nullptr: no more.
void watch_nccl_aborts(std::function<void(int rank)> watcher);

/// Every communicator meets an error, as when a network cable is pulled.
void break_pretend_nccl();

}  // namespace apportion
