// What asks a run to stop: Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2, and the end of a batch system's job. The
// handler only stores the signal's number; whoever may act on it asks for it. When one rank of a job is asked
// to stop, the links tell the others (link_mpi.h).
#pragma once

#include <cstdint>
#include <string>

#include "shared/base/error.h"

namespace apportion {

/// Exit code after Ctrl-C, as shells have it for SIGINT, and after SIGTERM outside a batch system.
inline constexpr int interrupt_exit_code = 130;
/// Exit code of a run that stopped in order and wants to be started again: a batch file then requeues itself.
inline constexpr int requeue_exit_code = 85;

/// Stands for a signal when the end of the batch system's job is near.
inline constexpr int end_of_job = 1000;

/// From now on the first signal of a kind is only noted; a second one of the same kind ends the process at
/// once. `in_batch_job`: SIGTERM also asks for another start, and may come twice.
void install_interrupt_handler(bool in_batch_job = false);

/// From this time on (seconds since 1970) interrupt_signal() is end_of_job, unless a signal was noted before.
void set_end_of_job(double unix_seconds);

/// Notes that another rank of the job was asked to stop. What was noted first stays.
void note_interrupt(int signal, int rank);

/// What was noted first: a signal or end_of_job; 0: nothing.
int interrupt_signal();
inline bool asked_to_stop() { return interrupt_signal() != 0; }

/// The exit code that the signal calls for.
int exit_code_of_interrupt(int signal);

/// "Ctrl-C", "SIGTERM", "SIGUSR1", "the end of its job (SLURM_JOB_END_TIME)", with " on rank R" where another
/// rank noted it; for people.
std::string interrupt_name(int signal);

/// Thrown by a task that is left unfinished because the run is to stop; its state is saved. `done` and `all`
/// count steps, or a measure task's units.
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
