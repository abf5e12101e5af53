// Which run has a task while several work in one folder. A run that is alone takes them all.
#pragma once

#include <string>

#include "shared/base/error.h"
#include "shared/config/task.h"

namespace apportion {

/// ours: this run does it, and reports when it is finished. set_aside: it has failed too often.
enum class Claim { ours, done, elsewhere, set_aside };

inline constexpr const char* set_aside_reason =
    "it has failed before and is set aside; `apportion retry` takes it up again";

/// Another run has taken a task of this run, from which it had not heard for long.
class LeaseLost : public Error {
 public:
  using Error::Error;
};

class Claims {
 public:
  virtual ~Claims() = default;
  /// Reads which tasks other runs have, and what they have finished since the last call. Until the next call,
  /// what they have now counts as theirs.
  virtual void look() = 0;
  /// Claims a task whose inputs are done.
  virtual Claim claim(const Task& task) = 0;
  /// Whether a task that was elsewhere still is; if not, it may be claimed again.
  virtual bool is_elsewhere(const Task& task) = 0;
  /// Whether a task that is elsewhere was begun by an earlier start of this run's batch job. The run always
  /// waits for these.
  virtual bool is_of_earlier_start(const Task&) { return false; }
  /// Called when a result of ours is on disk, just before it gets its name, since a run may be stopped while
  /// it writes. Throws LeaseLost if another run has taken the task meanwhile.
  virtual void confirm(const Task& task) = 0;
  /// The task's result is there; `ranks` ranks worked on it.
  virtual void finished(const Task& task, size_t ranks) = 0;
  /// The task failed, for this reason.
  virtual void failed(const Task& task, const std::string& reason, size_t ranks) = 0;
  /// The task was not begun, or was left in order: anyone may have it.
  virtual void give_back(const Task& task) = 0;
  /// The run was asked to stop: a task that it can no longer give back has not failed.
  virtual void stopping() = 0;
  /// Shows that this run is alive; called many times a second. Throws LeaseLost like confirm().
  virtual void beat() = 0;
  /// The progress of one of our tasks, for people.
  virtual void progress(const Task& task, const std::string& text) = 0;
};

/// For a run that is alone.
class AllClaims : public Claims {
 public:
  void look() override {}
  Claim claim(const Task&) override { return Claim::ours; }
  bool is_elsewhere(const Task&) override { return false; }
  void confirm(const Task&) override {}
  void finished(const Task&, size_t) override {}
  void failed(const Task&, const std::string&, size_t) override {}
  void give_back(const Task&) override {}
  void stopping() override {}
  void beat() override {}
  void progress(const Task&, const std::string&) override {}
};

}  // namespace apportion
