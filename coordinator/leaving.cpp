#include "coordinator/leaving.h"

#include <fmt/format.h>

#include "coordinator/restarts.h"
#include "shared/link/interrupt.h"

namespace apportion {

std::string leaving_line(int signal, const std::string& paused) {
  const std::string name = interrupt_name(signal);
  if (paused.empty())
    return fmt::format("stopped by {}; finished tasks stay, the same command goes on from them", name);
  return fmt::format("stopped by {} at {}; the same command goes on from there", name, paused);
}

void leave_in_order(Link& link, int ranks, int signal, const std::string& paused, const Restarts* restarts) {
  std::string line = leaving_line(signal, paused);
  int exit_code = exit_code_of_interrupt(signal);
  if (exit_code == requeue_exit_code && restarts && restarts->is_stuck()) {
    line = fmt::format("stopped by {}; {}", interrupt_name(signal), restarts->reason());
    exit_code = stuck_exit_code;
  }
  for (int rank = 0; rank < ranks; ++rank) link.send(rank, Stop{exit_code});
  throw LeftInOrder(line, exit_code);
}

}  // namespace apportion
