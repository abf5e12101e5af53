// Which tasks of a results folder are done, and who has the others, according to results that verify, leases
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
  bool force = false;        // does again, once, what is already there
  double limit_s = 60;       // a member without a sign of life for this long is gone
  bool keeps_count = false;  // counts failures of earlier runs, too, as members of a batch do, since they
                             // start by themselves
};

/// A task that has failed this often is set aside.
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

  /// Runs `action`, which two members must not do at the same time. Returns false without running it when
  /// another member is at it; with Patience::some it first waits longer than a dead member would count as
  /// alive.
  enum class Patience { none, some };
  bool alone(const std::string& what, Patience patience, const std::function<void()>& action);

 private:
  void confirm(const std::string& task, const std::string& label) const;
  /// Damaged results are reported at the first look.
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
  FailureCount failures_;      // from all records, or from those since the start
  std::set<std::string> own_;  // finished by this run
  // Taken from the journals: what others have done since this run began. If each of a thousand runs read all
  // results of the others, that would take longer than computing them.
  std::unordered_set<std::string> told_done_;
  std::optional<std::unordered_set<std::string>> leased_;  // tasks that other runs had at the last look
  std::unordered_map<std::string, double> checked_;  // when it was last checked whether the holder is gone
};

}  // namespace apportion
