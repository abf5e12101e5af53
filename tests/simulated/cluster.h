// A cluster whose members take the tasks of one sweep, in the order and by the claims of the program, while
// hours pass at once: members come and go with their allocations, some die at work, some are stopped for so
// long that they lose their task. Ranks and what they compute are left out: a task takes as long as was
// drawn.
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
  double train_s = 600, measure_s = 60;  // in the middle
  double spread = 4;                     // of training: the longest to the shortest
  double load_s = 15;                    // another model than the last
  double decide_s = 0.05;                // from the end of a task to the next one's start
  double save_s = 60;                    // of training: what came since the last time is lost with a member
  double shortest_stay_s = 3600, longest_stay_s = 6 * 3600, away_s = 600;  // allocations, and between two
  double beat_s = 10;                                                      // signs of life
  size_t dying = 0, stopping = 0;                                          // members
  double stopped_s = 300;
};

struct ClusterOutcome {
  std::vector<int> finished;     // how often, of each task
  double tail_s = 0, end_s = 0;  // when no task was ready for the first time, and when all were done
  double busy = 0,
         busy_whole = 0;  // members' time at work that was of use: a share, until the tail and in all
  size_t starts = 0, left = 0, died = 0, lost_lease = 0, loads = 0;
  double decision_s = 0;  // of this machine's time, a start
};

class Cluster {
 public:
  struct Folder {
    /// A member of this number comes.
    std::function<std::unique_ptr<Claims>(size_t number)> enter;
    /// It gives no sign of life from now on, or does again.
    std::function<void(size_t number, bool silent)> silence = [](size_t, bool) {};
    /// Writes a task's result.
    std::function<void(const Task& task)> record = [](const Task&) {};
  };

  /// A sweep of this many cells, each a training task and two measurements of what came of it, beside which
  /// each model is measured before. While it runs there is a VirtualClock.
  Cluster(const ClusterOptions& options, Folder folder);

  ClusterOutcome run();

 private:
  enum class What { come, go, trouble, go_on, beat, decide, end_task };
  struct Event {
    double time;
    size_t order, member, visit;
    What what;
    bool operator<(const Event& other) const {  // a queue's last is its first
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };
  struct Member {
    size_t number = 0, visit = 0;  // visit: events of the one before are void
    std::unique_ptr<Claims> claims;
    std::unique_ptr<OpenTasks> open;
    std::string model;
    std::optional<size_t> task;
    double came = 0, began = 0;  // began: work on the task
    double unsaved = 0;          // of a stopped one
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
  std::vector<double> left_s_;  // of each task
  std::set<size_t> struck_;     // tasks at which a member died or was stopped
  std::shared_ptr<const TaskGraph> graph_;
  TaskPool truth_;  // as one who knows everything would have it
  std::vector<Member> members_;
  std::vector<std::unique_ptr<Claims>> graves_;  // the dead give nothing back
  std::priority_queue<Event> queue_;
  std::vector<Span> work_, present_;
  ClusterOutcome outcome_;
  double decided_s_ = 0, started_ = 0;  // started_: the last task
  size_t undone_, ordered_ = 0, numbered_ = 0;
};

}  // namespace apportion
