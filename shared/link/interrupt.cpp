// The handler, and what it and others have noted; see interrupt.h.
#include "shared/link/interrupt.h"

#include <atomic>
#include <csignal>
#include <ctime>
#include <limits>

#include "shared/base/clock.h"

namespace apportion {

namespace {

std::atomic<int> noted_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // a handler may use it
std::atomic<int> noted_on_rank = -1;                   // another rank; -1: this one
std::atomic<double> end_of_job_at = std::numeric_limits<double>::infinity();
std::atomic<bool> is_batch_job = false;

extern "C" void note_signal(int signal) {
  int first = 0;
  if (!noted_signal.compare_exchange_strong(first, signal) && first == signal) noted_on_rank = -1;
}

}  // namespace

void install_interrupt_handler(bool in_batch_job) {
  is_batch_job = in_batch_job;
  struct sigaction action = {};
  action.sa_handler = note_signal;
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
    // Slurm sends SIGTERM to all processes, and mpirun then to its ranks, which already have it.
    const bool may_come_twice = in_batch_job && signal == SIGTERM;
    action.sa_flags = SA_RESTART | (may_come_twice ? 0 : static_cast<int>(SA_RESETHAND));
    sigaction(signal, &action, nullptr);
  }
}

void set_end_of_job(double unix_seconds) { end_of_job_at = unix_seconds; }

void note_interrupt(int signal, int rank) {
  int none = 0;
  if (noted_signal.compare_exchange_strong(none, signal)) noted_on_rank = rank;
}

int interrupt_signal() {
  if (noted_signal == 0 && unix_seconds() >= end_of_job_at) note_signal(end_of_job);
  return noted_signal;
}

int exit_code_of_interrupt(int signal) {
  const bool ends = signal == SIGINT || (signal == SIGTERM && !is_batch_job);
  return ends ? interrupt_exit_code : requeue_exit_code;
}

std::string interrupt_name(int signal) {
  std::string name = "the end of its job (SLURM_JOB_END_TIME)";
  if (signal == SIGINT) name = "Ctrl-C";
  if (signal == SIGTERM) name = "SIGTERM";
  if (signal == SIGUSR1) name = "SIGUSR1";
  if (signal == SIGUSR2) name = "SIGUSR2";
  const int rank = noted_on_rank;
  return rank < 0 || signal == end_of_job ? name : name + " on rank " + std::to_string(rank);
}

}  // namespace apportion
