// What asks a run to stop: Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2, and the end of a batch system's job. The
// handler stores the signal's number and nothing else; whoever may act on it asks. What one rank of a job was
// asked, the links tell the others (link_mpi.h).
#pragma once

#include <cstdint>
#include <string>

#include "shared/base/error.h"

namespace apportion {

/// What a process ends with after Ctrl-C, as a shell has it for SIGINT, and after SIGTERM outside a batch
/// system.
inline constexpr int interrupt_exit_code = 130;
/// What a run ends with that stopped in order and wants to be started again: a batch file requeues itself.
inline constexpr int requeue_exit_code = 85;

/// Stands in a signal's place for the end of the batch system's job, which is near.
inline constexpr int end_of_job = 1000;

/// From now on the first signal of a kind is only noted; a second one of the same kind ends the process at
/// once. `in_batch_job`: SIGTERM, too, asks to be started again, and may come twice.
void install_interrupt_handler(bool in_batch_job = false);

/// From then on (seconds since 1970) interrupt_signal() is end_of_job, unless a signal was noted before.
void set_end_of_job(double unix_seconds);

/// Another rank of the job was asked. What was noted first stays.
void note_interrupt(int signal, int rank);

/// What was noted first: a signal or end_of_job; 0: nothing.
int interrupt_signal();

/// The exit code that it asks for.
int exit_code_of_interrupt(int signal);

/// "Ctrl-C", "SIGTERM", "SIGUSR1", "the end of its job (SLURM_JOB_END_TIME)", with " on rank R" where another
/// rank noted it; for people.
std::string interrupt_name(int signal);

/// Thrown by a task that was left unfinished because the run is to stop; what it had is saved. `done` of
/// `all` are steps, or a measure task's units.
class TaskPaused : public Error {
 public:
  TaskPaused(int64_t done, int64_t all)
      : Error("the task was left after " + std::to_string(done) + " of " + std::to_string(all),
              interrupt_exit_code),
        done_(done),
        all_(all) {}
  int64_t done() const { return done_; }
  int64_t all() const { return all_; }

 private:
  int64_t done_, all_;
};

}  // namespace apportion
