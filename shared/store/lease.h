// Who is at which task when several runs (members) work in one results folder: DIR/leases/TASK names the
// member that has taken it, DIR/members/MEMBER shows that this member is alive.
//
// This relies on a file system whose link() (or without it, exclusive creation) and rename() are atomic, as
// POSIX has them, on NFS and Lustre too, and where a host that opens a file reads what another one has
// written (close-to-open); no flock. Two runs can still be at one task for a moment: a member that was away
// so long that another took over its task sees so before it writes, and the results of both would be the same
// bytes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>

#include "shared/base/clock.h"
#include "shared/base/process.h"

namespace apportion {

/// A member, as its file describes it.
struct MemberFile {
  ProcessName process;
  std::string job;                                // the job file's name
  std::string slurm_job;                          // "1234_7"; empty: none
  double began = 0;                               // Unix seconds
  uint64_t beats = 0;                             // signs of life so far
  double limit_s = 60;                            // a member silent for this long counts as gone
  std::map<std::string, std::string> doing = {};  // by task: how far it has come, for people
};

std::string members_directory(const std::string& directory);
std::string leases_directory(const std::string& directory);

/// All members in the folder, by id; skips what is not a member's file.
std::map<std::string, MemberFile> read_members(const std::string& directory);
/// Which member has which task; by task.
std::map<std::string, std::string> read_leases(const std::string& directory);

class Leases {
 public:
  /// Enters this process as a member. A member silent for `limit_s` counts as gone, and one whose process has
  /// ended on this host does so at once. Throws UserError when the folder cannot be written.
  Leases(std::string directory, const std::string& job, double limit_s);
  /// Gives everything back.
  ~Leases();
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  struct Taking {
    bool ours = false;
    std::string holder = {};   // who has it, when it is not ours
    std::string lost_by = {};  // the member that had it and is gone; empty: none
  };
  /// Takes the task if it is free, or if the member that has it is gone.
  Taking take(const std::string& task);
  /// All tasks taken by any member: this one, another, or one that is gone.
  std::unordered_set<std::string> taken() const;
  /// The same without those of members that are gone: reads each lease, and each member's sign of life.
  std::unordered_set<std::string> held();
  /// Whether a member that is not gone has the task, this one or another.
  bool is_held(const std::string& task);
  /// Whether this member still has it.
  bool holds(const std::string& task) const;
  /// Whether the task belongs to a member that Slurm started as the job whose restart this process is: once
  /// that member is gone, nobody else may be left to take the task over.
  bool is_of_earlier_start(const std::string& task) const;
  void release(const std::string& task);

  /// Shows that this member is alive. Called many times a second, it does so every two seconds and then
  /// returns true. Throws UserError when it could not write that for half of the time after which it counts
  /// as gone.
  bool beat();

  /// How far a task of its own has come; shown with the next sign of life.
  void tell(const std::string& task, const std::string& text) { sign_.doing[task] = text; }

  const std::string& member() const { return member_; }
  const std::set<std::string>& own() const { return own_; }

 private:
  bool is_gone(const std::string& member);
  void write_sign();
  bool enter(const std::string& task) const;
  bool take_away(const std::string& task, const std::string& holder) const;
  std::string path_of(const std::string& task) const;

  struct Heard {
    uint64_t beats;
    double at;  // by clock_
  };

  std::string directory_, member_;
  MemberFile sign_;
  double limit_s_, last_beat_, last_sign_;  // last_sign_: the last one written
  WaitingClock clock_;
  std::set<std::string> own_, earlier_starts_;  // tasks; members
  std::map<std::string, Heard> heard_;
};

}  // namespace apportion
