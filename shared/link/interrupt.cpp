// The handler of SIGINT and SIGTERM; see interrupt.h.
#include "shared/link/interrupt.h"

#include <csignal>

namespace apportion {

namespace {

volatile std::sig_atomic_t noted_signal = 0;

extern "C" void note_signal(int signal) { noted_signal = signal; }

}  // namespace

void install_interrupt_handler() {
  struct sigaction action = {};
  action.sa_handler = note_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupt_signal() { return noted_signal; }

const char* interrupt_name(int signal) { return signal == SIGINT ? "Ctrl-C" : "SIGTERM"; }

}  // namespace apportion
