// Looking again and again at a folder in which others work, as `status --watch` and `report --watch` do.
#pragma once

#include <functional>
#include <string>

namespace apportion {

/// Calls `look` every few seconds until it says that there is nothing more to wait for (false), or a signal
/// asks to stop, which is heeded between two looks. Returns what the process is to end with: 0, or
/// 130.
int watch(const std::function<bool()>& look);

/// Seconds between two looks; more where a look takes long.
inline constexpr int watch_pause_s = 3;

}  // namespace apportion
