// What a run shows while it works: a line per group of ranks, or where these are many one for each stage that
// some are at. On a terminal the lines are redrawn in place below everything else, in a log each has its turn
// now and then, and a quiet run shows warnings only.
#pragma once

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "coordinator/report/style.h"
#include "shared/config/run_config.h"
#include "shared/config/task.h"
#include "shared/link/message.h"

namespace apportion {

enum class StatusMode { terminal, log, quiet };

struct StatusOptions {
  StatusMode mode = StatusMode::log;
  Style style;
  int width = 110;        // columns of a terminal: a longer line is cut, for one that wraps cannot be redrawn
  double log_period = 5;  // seconds between a group's lines in a log
};

/// A progress line: who, stage, step of steps as number and bar, time left, loss, KL, coverage, tokens/s,
/// share of the measured matrix-multiply peak. What is NaN or not known is left out.
std::string render_progress(const std::string& who, const Progress& progress, const Style& style);

/// "0:42", "12:03", "3:05:09".
std::string render_time(double seconds);

/// "rank 0", "ranks 0-3", "ranks 0-2,5"; of many runs "32 ranks".
std::string render_ranks(std::vector<int> ranks);

/// Used by one thread. Nothing here ever throws for a stream that fails.
class Status {
 public:
  /// `clock` gives seconds.
  Status(const StatusOptions& options, std::ostream& out, std::function<double()> clock);
  /// On standard error, so that standard output has the report alone: quiet with --quiet, in place on a
  /// terminal.
  explicit Status(const OutputConfig& output);
  /// Removes the lines of groups still shown.
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// A group's progress; groups are told apart by their ranks.
  void show(const std::vector<int>& ranks, const Progress& progress);
  /// The same of work that no rank does; one at a time. `who`: "verify".
  void show_work(const std::string& who, const Progress& progress);
  /// The group has finished a task of that name: its line gives way to a permanent one with the time it took.
  void finish(const std::vector<int>& ranks, const std::string& task);
  /// The group has come to nothing: its line goes. No ranks: that of work that no rank does.
  void drop(const std::vector<int>& ranks);
  /// A permanent line above the groups' lines; not shown when quiet.
  void line(const std::string& text);
  /// As line(), but shown when quiet, too.
  void warn(const std::string& text);
  /// Seconds, by the clock that it was given.
  double now() const { return clock_(); }

 private:
  struct Group {
    std::string who;
    Progress progress;
    double started = 0, shown = 0;
  };

  bool is_joined() const;
  std::string joined_line(const std::string& stage) const;
  void show_as(const std::vector<int>& ranks, const std::string& who, const Progress& progress);
  void log(Group& group, bool new_stage, bool joins);
  void erase();
  void draw();
  void print(const std::string& text);

  const StatusOptions options_;
  std::ostream& out_;
  const std::function<double()> clock_;
  std::map<std::vector<int>, Group> groups_;
  std::map<std::string, double> stages_shown_;  // in a log, of joined lines: when
  int drawn_ = 0;                               // lines of groups on the terminal
};

/// Is told that so many are done of all.
using DoneTold = std::function<void(size_t done, size_t all)>;

/// Shows how far work has come that no rank does: verifying, writing the index. Nothing of what takes no
/// second; at its end the line goes. A DoneTold.
class WorkProgress {
 public:
  /// `status` outlives it. `who`: "verify", `what`: "results".
  WorkProgress(Status& status, std::string who, const std::string& what);
  ~WorkProgress();
  WorkProgress(const WorkProgress&) = delete;
  WorkProgress& operator=(const WorkProgress&) = delete;

  void operator()(size_t done, size_t all);

 private:
  Status& status_;
  std::string who_;
  Progress progress_;
  double began_, shown_ = 0;
};

}  // namespace apportion
