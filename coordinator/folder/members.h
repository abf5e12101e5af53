// Who works in a results folder, as commands have to know that take something away from it or rely on it
// staying as it is. The signs themselves are shared/store/lease.h's.
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

/// Unix seconds by the clock that the folder's files have their times from, as a server of files does; this
/// host's may be an hour off. By this host's where nothing can be written there.
double folder_seconds(const std::string& directory);

/// A member of another host counts as alive while its file, by the file system's clock, is younger at `now`
/// (Unix seconds) than its own lease_s.
std::vector<MemberStatus> folder_members(const std::string& directory, double now);

/// What it is at, in as much room for 64 tasks as for one: "stage 1 (seed=0) 37/420; after, v2 (seed=1) 2/5",
/// or of more than three, with steps added up, "stage 1 of 64 tasks 1600/26880". Empty: nothing yet.
std::string doing_text(const MemberStatus& member);

/// Throws UserError, with the command's name, when the directory is none.
void require_folder(const std::string& directory, const std::string& command);

/// Throws UserError, with the command's name, while a member other than `self` works in the folder.
void require_idle(const std::string& directory, const std::string& command, const std::string& self = "");

/// The lease of who takes things away from the folder (apportion gc). Who enters as a member looks for it
/// after its sign is there, and who has it looks for signs after it took it: so one of them sees the other.
inline constexpr const char* clearing_lease = "gc";

/// Waits until nobody clears the folder; `say` is called once where that takes a while.
void wait_for_clearing(Leases& leases, const std::function<void()>& say);

}  // namespace apportion
