// A simulated cluster whose members take the tasks of one sweep, in the program's order and with its claims,
// while hours pass at once. Members come and go with their allocations, some die at work, some are stopped so
// long that they lose their task. Ranks and their computation are left out: a task takes a random time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "coordinator/open_tasks.h"
#include "shared/base/counter_rng.h"

namespace apportion {

struct ClusterOptions {
  size_t cells = 10, members = 2, models = 3;
  double train_s = 600, measure_s = 60;  // typical
  double spread = 4;                     // of training times: longest over shortest
  double load_s = 15;                    // to load a different model
  double decide_s = 0.05;                // from the end of a task to the next one's start
  double save_s = 60;                    // of training; a lost member loses what came since
  double shortest_stay_s = 3600, longest_stay_s = 6 * 3600, away_s = 600;  // allocations, and the gap between
  double beat_s = 10;                                                      // signs of life
  size_t dying = 0, stopping = 0;                                          // members
  double stopped_s = 300;
};

struct ClusterOutcome {
  std::vector<int> finished;     // how often, for each task
  double tail_s = 0, end_s = 0;  // when first no task was ready, and when all were done
  double busy = 0,
         busy_whole = 0;  // share of members' time in useful work, until the tail and overall
  size_t starts = 0, left = 0, died = 0, lost_lease = 0, loads = 0;
  double decision_s = 0;  // this machine's time per start
};

class Cluster {
 public:
  struct Folder {
    /// A member with this number arrives.
    std::function<std::unique_ptr<Claims>(size_t number)> enter;
    /// The member stops giving signs of life, or starts again.
    std::function<void(size_t number, bool silent)> silence = [](size_t, bool) {};
    /// Writes a task's result.
    std::function<void(const Task& task)> record = [](const Task&) {};
  };

  /// A sweep of this many cells, each with a training task and two measurements of the result; each model is
  /// also measured untrained. A VirtualClock must exist while it runs.
  Cluster(const ClusterOptions& options, Folder folder);

  ClusterOutcome run();

 private:
  enum class What { come, go, trouble, go_on, beat, decide, end_task };
  struct Event {
    double time;
    size_t order, member, visit;
    What what;
    bool operator<(const Event& other) const {  // a queue pops its greatest, here the earliest
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };
  struct Member {
    size_t number = 0, visit = 0;  // visit: an earlier visit's events are void
    std::unique_ptr<Claims> claims;
    std::unique_ptr<OpenTasks> open;
    std::string model;
    std::optional<size_t> task;
    double came = 0, began = 0;  // began: work on the task
    double unsaved = 0;          // of a stopped member
    bool is_silent = false;
  };
  struct Span {
    double begin, end;
  };

  void at(double time, size_t member, What what);
  void handle(const Event& event);
  void come(size_t member);
  void leave(size_t member);
  void go(size_t member);
  void trouble(size_t member);
  void go_on(size_t member);
  void decide(size_t member);
  void start(size_t member, size_t task);
  void end_task(size_t member);
  double work_until_now(size_t member);
  double share_busy(double until) const;

  ClusterOptions options_;
  Folder folder_;
  CounterRng rng_;
  std::vector<double> left_s_;  // for each task
  std::set<size_t> struck_;     // tasks during which a member died or was stopped
  std::shared_ptr<const TaskGraph> graph_;
  TaskPool truth_;  // the state as an all-knowing observer sees it
  std::vector<Member> members_;
  std::vector<std::unique_ptr<Claims>> graves_;  // dead members give nothing back
  std::priority_queue<Event> queue_;
  std::vector<Span> work_, present_;
  ClusterOutcome outcome_;
  double decided_s_ = 0, started_ = 0;  // started_: the last task
  size_t undone_, ordered_ = 0, numbered_ = 0;
};

}  // namespace apportion
