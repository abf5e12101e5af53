// How a run leaves when it is asked to stop: with which line and exit code, and how every rank is let go.
// coordinator.h decides when its groups have come to rest, restarts.h whether another start would help.
#pragma once

#include <string>

#include "shared/base/error.h"
#include "shared/link/link.h"

namespace apportion {

class Restarts;

/// Thrown once no task is at work and every rank has been told to leave: the run ends, and nothing needs to
/// be aborted.
class LeftInOrder : public Error {
 public:
  using Error::Error;
};

/// "stopped by SIGUSR1 at step 37 of 420; the same command goes on from there". `paused` says where tasks
/// stopped, "step 37 of 420"; empty if none was at work or none could be saved.
std::string leaving_line(int signal, const std::string& paused);

/// Lets all ranks leave and throws LeftInOrder with the signal's exit code, or with that of `restarts` (may
/// be null) if another start would get no further.
[[noreturn]] void leave_in_order(Link& link, int ranks, int signal, const std::string& paused,
                                 const Restarts* restarts);

}  // namespace apportion
