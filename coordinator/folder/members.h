// Who works in a results folder: for commands that take something away from it or rely on it not changing.
// shared/store/lease.h writes the signs themselves.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "shared/store/lease.h"

namespace apportion {

struct MemberStatus {
  std::string id, host, job, slurm_job;
  double began = 0;  // Unix seconds
  bool alive = true;
  std::vector<std::string> doing = {};  // "stage 1 (target=even) 37/420"
};

/// Unix seconds by the clock that stamps the folder's files, such as a file server's: this host's may be an
/// hour off. Uses this host's clock if nothing can be written there.
double folder_seconds(const std::string& directory);

/// A member on another host counts as alive while its file is younger at `now` (Unix seconds, by the file
/// system's clock) than its own lease_s.
std::vector<MemberStatus> folder_members(const std::string& directory, double now);

/// What the member is doing, as short for 64 tasks as for one: "stage 1 (seed=0) 37/420; after, v2 (seed=1)
/// 2/5", or with more than three tasks, steps added up, "stage 1 of 64 tasks 1600/26880". Empty: nothing yet.
std::string doing_text(const MemberStatus& member);

/// Throws UserError, with the command's name, if the directory does not exist.
void require_folder(const std::string& directory, const std::string& command);

/// Throws UserError, with the command's name, while a member other than `self` works in the folder.
void require_idle(const std::string& directory, const std::string& command, const std::string& self = "");

/// The lease that a command holds while it removes things from the folder (apportion gc). A new member looks
/// for it after writing its own sign, and the holder looks for signs after taking it, so one of them sees the
/// other.
inline constexpr const char* clearing_lease = "gc";

/// Waits until nobody clears the folder; calls `say` once if that takes a while.
void wait_for_clearing(Leases& leases, const std::function<void()>& say);

}  // namespace apportion
