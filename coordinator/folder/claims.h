// Whose a task is while several runs work in one folder. A run that is alone in the world takes them all.
#pragma once

#include <string>

#include "shared/base/error.h"
#include "shared/config/task.h"

namespace apportion {

/// ours: this run does it, and says when it is through. set_aside: it has failed too often.
enum class Claim { ours, done, elsewhere, set_aside };

inline constexpr const char* set_aside_reason =
    "it has failed before and is set aside; `apportion retry` takes it up again";

/// Another run has taken a task of this one, which it had not heard of for long.
class LeaseLost : public Error {
 public:
  using Error::Error;
};

class Claims {
 public:
  virtual ~Claims() = default;
  /// Reads what other runs have and have done since. Until the next time what they had then counts as theirs
  /// still.
  virtual void look() = 0;
  /// Asks for a task whose inputs are done.
  virtual Claim claim(const Task& task) = 0;
  /// Whether a task that was elsewhere still is; if not, it may be asked for again.
  virtual bool is_elsewhere(const Task& task) = 0;
  /// Whether one that is elsewhere was begun by the batch job whose restart this run is. Such a task is
  /// waited for in any case.
  virtual bool is_of_earlier_start(const Task&) { return false; }
  /// When the result of one of ours is on disk, just before it takes its name: a run may be stopped while it
  /// writes. Throws LeaseLost when another run has taken it meanwhile.
  virtual void confirm(const Task& task) = 0;
  /// Its result is there; so many ranks were at it.
  virtual void finished(const Task& task, size_t ranks) = 0;
  /// It came to nothing, for this reason.
  virtual void failed(const Task& task, const std::string& reason, size_t ranks) = 0;
  /// It was not begun, or left in order: anyone may have it.
  virtual void give_back(const Task& task) = 0;
  /// The run was asked to stop: a task that it cannot give back any more has not failed.
  virtual void stopping() = 0;
  /// Shows that this run is alive; called many times a second. Throws LeaseLost as confirm does.
  virtual void beat() = 0;
  /// How far one of ours has come, for people.
  virtual void progress(const Task& task, const std::string& text) = 0;
};

/// One run alone.
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
