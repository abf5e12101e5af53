// Looks again and again at a folder in which others work, for `status --watch` and `report --watch`.
#pragma once

#include <functional>
#include <string>

namespace apportion {

/// Calls `look` every few seconds until it returns false (nothing more to wait for) or a signal asks to stop,
/// which is noticed between two looks. Returns the process's exit code: 0, or 130 after a signal.
int watch(const std::function<bool()>& look);

/// Seconds between two looks; more if a look takes long.
inline constexpr int watch_pause_s = 3;

}  // namespace apportion
