// The link over MPI: in every rank one thread owns all control traffic on a communicator of its own (probe,
// send, test, sleep 1 ms; it never spins). Ends talk to it through queues; messages to the rank itself stay
// in memory.
#pragma once

#include <functional>
#include <memory>

#include "shared/link/link.h"
#include "shared/link/rank_group.h"

namespace apportion {

/// This rank's ends of the control traffic, and its link thread, which also
/// - sends the coordinator a Heartbeat each second, however busy the main thread is;
/// - tells the other ranks when this one is asked to stop (interrupt.h), so that all know within
///   milliseconds;
/// - on ranks other than 0, when asked to stop: calls `end_process` if nobody has ended the rank within
///   `stop_wait_s` and 2 s more.
/// The ends' next `send` or `receive` throws what went wrong in MPI.
class MpiLink {
 public:
  /// Collective over all ranks. `end_process` is called on the link thread and does not return.
  MpiLink(const RankGroup& ranks, std::function<void(int exit_code)> end_process, double stop_wait_s = 0);

  /// Collective: delivers what was sent, waits for all ranks, ends the thread. While an exception unwinds, it
  /// only ends the thread (RankGroup then aborts the job).
  ~MpiLink();
  MpiLink(const MpiLink&) = delete;
  MpiLink& operator=(const MpiLink&) = delete;

  /// The end of this rank's worker.
  Link& worker();
  /// The coordinator's end; only rank 0 has it (InternalError elsewhere).
  Link& coordinator();

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
  std::unique_ptr<Link> worker_, coordinator_;
  int exceptions_at_start_;
};

}  // namespace apportion
