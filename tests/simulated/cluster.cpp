#include "tests/simulated/cluster.h"

#include <algorithm>
#include <cmath>

#include "coordinator/scheduler.h"
#include "tests/simulated/virtual_clock.h"

namespace apportion {
namespace {

Task task_of(const std::string& kind, const std::string& label, nlohmann::json identity,
             const std::vector<std::string>& inputs) {
  Task task;
  task.kind = task_kind(kind);
  task.label = label;
  task.inputs = inputs;
  identity.update({{"kind", kind}, {"compute_type", "float32"}, {"inputs", inputs}, {"label", label}});
  task.identity = std::move(identity);
  task.id = task_id(task.identity);
  if (task.kind == TaskKind::measure) task.test_set = "v2";
  return task;
}

struct Drawn {
  std::vector<Task> tasks;
  std::vector<size_t> cells;    // cell of each task
  std::vector<double> seconds;  // duration of each task

  void add(Task task, size_t cell, double takes) {
    tasks.push_back(std::move(task));
    cells.push_back(cell);
    seconds.push_back(takes);
  }
};

/// Steps predict how long training takes, up to a surprise of a quarter up or down.
Drawn draw_sweep(const ClusterOptions& options) {
  constexpr double steps_per_second = 0.5, surprise = 1.25;
  CounterRng rng(0, "cluster");
  const auto around = [&](double middle, double spread) {  // evenly on a logarithmic scale
    return middle * std::pow(spread, rng.uniform() - 0.5);
  };
  Drawn sweep;
  for (size_t cell = 0; cell < options.cells; ++cell) {
    const std::string model = "model " + std::to_string(cell % options.models), name = std::to_string(cell);
    if (cell < options.models)
      sweep.add(task_of("measure", "before", {{"model", model}}, {}), cell, options.measure_s);
    const double train_s = around(options.train_s, options.spread);
    const std::string steps = std::to_string(std::lround(train_s * steps_per_second));
    Task train = task_of("sft", name, {{"model", model}, {"options", {{"sft_steps", steps}}}}, {});
    const std::string trained = train.id;
    sweep.add(std::move(train), cell, around(train_s, surprise * surprise));
    for (const char* set : {", v2", ", heldout"})
      sweep.add(task_of("measure", name + set, {{"model", model}}, {trained}), cell,
                around(options.measure_s, surprise));
  }
  return sweep;
}

}  // namespace

Cluster::Cluster(const ClusterOptions& options, Folder folder)
    : options_(options),
      folder_(std::move(folder)),
      rng_(1, "cluster"),
      graph_([&] {
        Drawn sweep = draw_sweep(options);
        left_s_ = std::move(sweep.seconds);
        return std::make_shared<const TaskGraph>(task_list(std::move(sweep.tasks)), TaskOrder::plan,
                                                 sweep.cells);
      }()),
      truth_(graph_, std::vector(graph_->size(), TaskState::waiting)),
      members_(options.members),
      undone_(graph_->size()) {
  outcome_.finished.resize(graph_->size());
}

void Cluster::at(double time, size_t member, What what) {
  queue_.push({time, ++ordered_, member, members_[member].visit, what});
}

ClusterOutcome Cluster::run() {
  constexpr double all_here_s = 60;
  for (size_t member = 0; member < members_.size(); ++member)
    at(all_here_s * rng_.uniform(), member, What::come);
  while (undone_ > 0) {
    ensure(!queue_.empty() && VirtualClock::now() < started_ + 2 * options_.longest_stay_s,
           "somebody does what is left");
    const Event event = queue_.top();
    queue_.pop();
    if (event.visit != members_[event.member].visit) continue;
    VirtualClock::advance(std::max(0.0, event.time - VirtualClock::now()));
    try {
      handle(event);
    } catch (const LeaseLost&) {  // it writes nothing, and its job starts again
      ++outcome_.lost_lease;
      leave(event.member);
      at(VirtualClock::now() + options_.away_s, event.member, What::come);
    }
  }
  outcome_.end_s = VirtualClock::now();
  for (size_t member = 0; member < members_.size(); ++member) {
    if (members_[member].claims) leave(member);
  }
  outcome_.busy = share_busy(outcome_.tail_s);
  outcome_.busy_whole = share_busy(outcome_.end_s);
  outcome_.decision_s = decided_s_ / static_cast<double>(outcome_.starts);
  return std::move(outcome_);
}

void Cluster::handle(const Event& event) {
  Member& member = members_[event.member];
  switch (event.what) {
    case What::come:
      return come(event.member);
    case What::go:
      return go(event.member);
    case What::trouble:
      return trouble(event.member);
    case What::go_on:
      return go_on(event.member);
    case What::beat:
      at(event.time + options_.beat_s, event.member, What::beat);
      if (!member.is_silent) member.claims->beat();
      return;
    case What::decide:
      return decide(event.member);
    case What::end_task:
      return end_task(event.member);
  }
}

void Cluster::come(size_t number) {
  Member& member = members_[number];
  const double now = VirtualClock::now();
  const bool first = member.number == 0;
  member.number = ++numbered_;
  member.claims = folder_.enter(member.number);
  const TaskPool all(graph_, std::vector(graph_->size(), TaskState::waiting));
  member.open = std::make_unique<OpenTasks>(
      all, *member.claims, [](const Task&) {}, [](const Task&) {});
  member.came = now;
  member.model.clear();
  member.is_silent = false;
  const double stay = options_.longest_stay_s - options_.shortest_stay_s;
  at(now + options_.shortest_stay_s + stay * rng_.uniform(), number, What::go);
  if (first && number < options_.dying + options_.stopping)
    at(now + options_.shortest_stay_s * (0.2 + 0.7 * rng_.uniform()), number, What::trouble);
  at(now + options_.beat_s, number, What::beat);
  decide(number);
}

/// The member's time in the cluster is over; it gives back what it had.
void Cluster::leave(size_t number) {
  Member& member = members_[number];
  present_.push_back({member.came, VirtualClock::now()});
  ++member.visit;
  member.task.reset();
  member.open.reset();
  member.claims.reset();
}

/// Seconds of work on the member's task since it began or last went on, unsaved work included.
double Cluster::work_until_now(size_t number) {
  return std::max(0.0, VirtualClock::now() - members_[number].began);
}

/// The member leaves in order: its progress is kept.
void Cluster::go(size_t number) {
  Member& member = members_[number];
  const double now = VirtualClock::now();
  if (member.task && !member.is_silent) {
    const double done = work_until_now(number);
    member.claims->confirm(graph_->task(*member.task));
    work_.push_back({now - done, now});
    left_s_[*member.task] -= done;
    truth_.set(*member.task, TaskState::waiting);
    member.claims->give_back(graph_->task(*member.task));
  }
  ++outcome_.left;
  leave(number);
  at(now + options_.away_s, number, What::come);
}

/// The member dies, or is stopped for a while, at work: others may continue from what was saved. Spares tasks
/// that were lost before: one lost twice is set aside, and this cluster waits until all are done.
void Cluster::trouble(size_t number) {
  constexpr double later_s = 1;
  Member& member = members_[number];
  const double now = VirtualClock::now();
  if (member.task && !struck_.insert(*member.task).second) return at(now + later_s, number, What::trouble);
  folder_.silence(member.number, true);
  member.is_silent = true;
  if (member.task) {
    const double done = work_until_now(number), saved = std::floor(done / options_.save_s) * options_.save_s;
    work_.push_back({now - done, now - done + saved});
    left_s_[*member.task] -= saved;
    member.unsaved = done - saved;
  }
  ++member.visit;  // cancels what it was about to do
  if (number >= options_.dying) return at(now + options_.stopped_s, number, What::go_on);
  ++outcome_.died;
  graves_.push_back(std::move(member.claims));
  present_.push_back({member.came, now});
}

void Cluster::go_on(size_t number) {
  Member& member = members_[number];
  const double now = VirtualClock::now();
  folder_.silence(member.number, false);
  member.is_silent = false;
  member.claims->beat();
  at(now + options_.beat_s, number, What::beat);
  at(now + options_.shortest_stay_s, number, What::go);
  if (!member.task) return decide(number);
  member.claims->confirm(graph_->task(*member.task));
  member.began = now - member.unsaved;
  at(member.began + left_s_[*member.task], number, What::end_task);
}

void Cluster::decide(size_t number) {
  constexpr double poll_s = 1;
  Member& member = members_[number];
  const double now = VirtualClock::now(), before = VirtualClock::spent();
  const std::vector<size_t> ours = member.open->claimed(
      1, member.model, [] { return false; }, now);
  const std::vector<Assignment> next = next_assignments(member.open->pool(), ours, {0}, {1, 1, 1});
  decided_s_ += VirtualClock::spent() - before;
  if (!next.empty()) return start(number, next.front().task);
  if (member.open->goes_on(true)) at(now + poll_s, number, What::decide);
}

void Cluster::start(size_t number, size_t task) {
  Member& member = members_[number];
  const double now = VirtualClock::now();
  const std::string model = graph_->task(task).identity.at("model");
  if (model != member.model) ++outcome_.loads;
  member.began = now + options_.decide_s + (model == member.model ? 0 : options_.load_s);
  member.model = model;
  member.task = task;
  member.open->set(task, TaskState::running);
  truth_.set(task, TaskState::running);
  ++outcome_.starts;
  started_ = now;
  if (outcome_.tail_s == 0 && !truth_.has_ready()) outcome_.tail_s = now;
  at(member.began + left_s_[task], number, What::end_task);
}

void Cluster::end_task(size_t number) {
  Member& member = members_[number];
  const size_t ended = *member.task;
  const Task& task = graph_->task(ended);
  member.claims->confirm(task);
  folder_.record(task);
  member.claims->finished(task, 1);
  work_.push_back({member.began, VirtualClock::now()});
  member.open->set(ended, TaskState::done);
  truth_.set(ended, TaskState::done);
  member.task.reset();
  if (outcome_.finished[ended]++ == 0) --undone_;
  decide(number);
}

double Cluster::share_busy(double until) const {
  const auto sum = [until](const std::vector<Span>& spans) {
    double seconds = 0;
    for (const Span& span : spans)
      seconds += std::max(0.0, std::min(span.end, until) - std::min(span.begin, until));
    return seconds;
  };
  return sum(work_) / sum(present_);
}

}  // namespace apportion
