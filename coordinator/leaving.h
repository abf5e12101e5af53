// How a run that is asked to stop leaves: with which line and exit code, and that every rank is let go. When
// its groups have come to rest is coordinator.h's business, whether another start has a use restarts.h's.
#pragma once

#include <string>

#include "shared/base/error.h"
#include "shared/link/link.h"

namespace apportion {

class Restarts;

/// Thrown once nothing is at work and every rank has been told to leave: the run ends, and nothing has to be
/// aborted.
class LeftInOrder : public Error {
 public:
  using Error::Error;
};

/// "stopped by SIGUSR1 at step 37 of 420; the same command goes on from there". `paused` are the places where
/// tasks were left, "step 37 of 420"; empty: none was at work, or none could be saved.
std::string leaving_line(int signal, const std::string& paused);

/// Lets all ranks leave and throws LeftInOrder with the signal's exit code, or with that of `restarts` (may
/// be null) where another start would come no further.
[[noreturn]] void leave_in_order(Link& link, int ranks, int signal, const std::string& paused,
                                 const Restarts* restarts);

}  // namespace apportion
