// What a run shows while it works: a line per group of ranks, or, with many groups, a line per stage. On a
// terminal the lines are redrawn in place below everything else; in a log each is printed now and then; a
// quiet run shows only warnings.
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
  int width = 110;  // of a terminal, in columns; longer lines are cut, since a wrapped line cannot be redrawn
  double log_period = 5;  // seconds between a group's lines in a log
};

/// A progress line: who, stage, step of steps as number and bar, time left, loss, KL, coverage, tokens/s,
/// share of the measured matrix-multiply peak. Leaves out what is NaN or unknown.
std::string render_progress(const std::string& who, const Progress& progress, const Style& style);

/// "0:42", "12:03", "3:05:09".
std::string render_time(double seconds);

/// "rank 0", "ranks 0-3", "ranks 0-2,5"; "32 ranks" if that would be too many ranges.
std::string render_ranks(std::vector<int> ranks);

/// For use by one thread. Nothing here throws when the stream fails.
class Status {
 public:
  /// `clock` gives seconds.
  Status(const StatusOptions& options, std::ostream& out, std::function<double()> clock);
  /// On standard error, so that standard output holds only the report: quiet with --quiet, in place on a
  /// terminal.
  explicit Status(const OutputConfig& output);
  /// Removes the lines of groups still shown.
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// A group's progress; groups are told apart by their ranks.
  void show(const std::vector<int>& ranks, const Progress& progress);
  /// The same for work that no rank does, one piece at a time. `who`: "verify".
  void show_work(const std::string& who, const Progress& progress);
  /// The group has finished a task of that name: a permanent line with the time it took replaces its own.
  void finish(const std::vector<int>& ranks, const std::string& task);
  /// The group ends without a result: removes its line. Empty `ranks`: the line of work that no rank does.
  void drop(const std::vector<int>& ranks);
  /// A permanent line above the groups' lines; not shown when quiet.
  void line(const std::string& text);
  /// Like line(), but also shown when quiet.
  void warn(const std::string& text);
  /// Seconds by the clock given to the constructor.
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
  std::map<std::string, double> stages_shown_;  // in a log: when each joined line was last shown
  int drawn_ = 0;                               // group lines on the terminal
};

/// Called with how many are done, of how many.
using DoneTold = std::function<void(size_t done, size_t all)>;

/// Shows the progress of work that no rank does: verifying, writing the index. Shows nothing if it takes less
/// than a second; the line disappears at the end. A DoneTold.
class WorkProgress {
 public:
  /// `status` must outlive it. `who`: "verify", `what`: "results".
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
