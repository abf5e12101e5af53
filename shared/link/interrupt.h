// Ctrl-C and SIGTERM: the handler stores the signal's number and nothing else; whoever may act on it asks.
#pragma once

namespace apportion {

/// What a process ends with after an interruption, as a shell has it for SIGINT.
inline constexpr int interrupt_exit_code = 130;

/// From now on the first SIGINT and the first SIGTERM are only noted; a second one of the same kind ends the
/// process at once.
void install_interrupt_handler();

/// The signal that was noted, 0 when none was.
int interrupt_signal();

/// "Ctrl-C" or "SIGTERM"; for people.
const char* interrupt_name(int signal);

}  // namespace apportion
