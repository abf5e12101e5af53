// Which tasks of a results folder are done, and whose the others are: by results that verify, leases
// (shared/store/lease.h) and journals (shared/store/journal.h).
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "coordinator/folder/claims.h"
#include "coordinator/status.h"
#include "shared/store/journal.h"
#include "shared/store/lease.h"

namespace apportion {

struct FolderOptions {
  std::string directory, job;
  bool force = false;   // what is there is done again, once
  double limit_s = 60;  // without a sign of life, after which a member is gone
  bool keeps_count =
      false;  // of failures of runs before, as members of a batch do, which start by themselves
};

/// A task that has come to nothing so often is set aside.
inline constexpr int most_failures = 2;

class FolderClaims : public Claims {
 public:
  /// Throws UserError when the folder cannot be written.
  FolderClaims(const FolderOptions& options, Status& status);
  /// Gives everything back.
  ~FolderClaims() override;

  void look() override;
  Claim claim(const Task& task) override;
  bool is_elsewhere(const Task& task) override;
  bool is_of_earlier_start(const Task& task) override { return leases_.is_of_earlier_start(task.id); }
  void confirm(const Task& task) override;
  void finished(const Task& task, size_t ranks) override;
  void failed(const Task& task, const std::string& reason, size_t ranks) override;
  void give_back(const Task& task) override;
  void stopping() override;
  void beat() override;
  void progress(const Task& task, const std::string& text) override;

  /// Does what two members must not do at the same time; false, and nothing is done, when another one is at
  /// it: with Patience::some for longer than a dead one would count as alive.
  enum class Patience { none, some };
  bool alone(const std::string& what, Patience patience, const std::function<void()>& action);

 private:
  void confirm(const std::string& task, const std::string& label) const;
  /// At the first look what is damaged is told.
  enum class Look { first, again };
  bool is_done(const Task& task, Look look);
  void read_journals();
  bool is_others(const Task& task) const;
  void check_inputs(const Task& task);
  void note(JournalEvent event, const Task& task, size_t ranks = 0, const std::string& text = "");

  FolderOptions options_;
  Status& status_;
  Leases leases_;
  JournalWriter journal_;
  JournalReader journals_;
  FailureCount failures_;      // of all records, or of those since the start
  std::set<std::string> own_;  // finished by this run
  // What others have done since this run began is taken from their journals: reading all results of a
  // thousand runs in each of them would take longer than what they compute.
  std::unordered_set<std::string> told_done_;
  std::optional<std::unordered_set<std::string>> leased_;  // at the last look
  std::unordered_map<std::string, double> checked_;        // when it was last seen whether the holder is gone
};

}  // namespace apportion
