// Who is at which task, while several runs (members) work in one results folder: DIR/leases/TASK names the
// member that has taken it, DIR/members/MEMBER shows that this one is alive.
//
// Of the file system it is relied on that link() (or where it has none, exclusive creation) and rename() are
// atomic, as POSIX has them, on NFS and Lustre too, and that what one host has written another one reads once
// it opens the file (close-to-open); no flock. Two runs can still be at one task for a moment: a member that
// was away so long that another one took its task over sees so before it writes, and the results of both
// would be the same bytes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>

#include "shared/base/clock.h"
#include "shared/base/process.h"

namespace apportion {

/// A member as its file tells.
struct MemberFile {
  ProcessName process;
  std::string job;                                // the job file's name
  std::string slurm_job;                          // "1234_7"; empty: none
  double began = 0;                               // Unix seconds
  uint64_t beats = 0;                             // signs of life, counted
  double limit_s = 60;                            // after so long without one it is taken to be gone
  std::map<std::string, std::string> doing = {};  // by task: how far it has come, for people
};

std::string members_directory(const std::string& directory);
std::string leases_directory(const std::string& directory);

/// All that stand in the folder, by id; what is no member's file is left out.
std::map<std::string, MemberFile> read_members(const std::string& directory);
/// Who has which task; by task.
std::map<std::string, std::string> read_leases(const std::string& directory);

class Leases {
 public:
  /// Enters this process as a member. One that was not heard of for `limit_s` is gone, and at once one whose
  /// process has ended on this host. Throws UserError when the folder cannot be written.
  Leases(std::string directory, const std::string& job, double limit_s);
  /// Gives everything back.
  ~Leases();
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  struct Taking {
    bool ours = false;
    std::string holder = {};   // who has it, of one that is not ours
    std::string lost_by = {};  // a member that is gone and had it; empty: none
  };
  /// Takes the task, from a member that is gone, too.
  Taking take(const std::string& task);
  /// All tasks that a member has, this one or another, or one that is gone.
  std::unordered_set<std::string> taken() const;
  /// The same without those of members that are gone: it reads each lease, and each member's sign.
  std::unordered_set<std::string> held();
  /// Whether a member that is not gone has it, this one or another.
  bool is_held(const std::string& task);
  /// Whether this member still has it.
  bool holds(const std::string& task) const;
  /// Whether a member has it that Slurm had started as the job whose restart this process is: once that one
  /// is gone, nobody else may be left to take the task over.
  bool is_of_earlier_start(const std::string& task) const;
  void release(const std::string& task);

  /// Shows that this member is alive; called many times a second, it does so each two seconds, and says when.
  /// Throws UserError when that could not be written for half of the time after which it counts as gone.
  bool beat();

  /// How far a task of its own has come, shown with the next sign.
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
    double at;  // of clock_
  };

  std::string directory_, member_;
  MemberFile sign_;
  double limit_s_, last_beat_, last_sign_;  // last_sign_: that was written
  WaitingClock clock_;
  std::set<std::string> own_, earlier_starts_;  // tasks; members
  std::map<std::string, Heard> heard_;
};

}  // namespace apportion
