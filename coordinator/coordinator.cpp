// Give, listen, record; see coordinator.h.
#include "coordinator/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/link/interrupt.h"

namespace apportion {

namespace {

/// How long the coordinator sleeps without a message; an interruption is noticed within this time.
constexpr auto longest_wait = std::chrono::milliseconds(100);

}  // namespace

Coordinator::Coordinator(Link& link, const Recorder& recorder, Status& status, std::vector<Task> tasks,
                         std::vector<TaskState> states, const CoordinatorOptions& options)
    : link_(link),
      recorder_(recorder),
      status_(status),
      tasks_(std::move(tasks)),
      states_(std::move(states)),
      options_(options),
      health_(options.ranks, options.silence_limit_s, seconds_now()),
      tag_of_rank_(static_cast<size_t>(options.ranks), 0) {}

void Coordinator::run() {
  while (!all_done()) {
    if (options_.interrupted() == 0) assign();
    listen();
    check_interrupt();
    check_silence();
  }
}

bool Coordinator::all_done() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](TaskState state) { return state == TaskState::done; });
}

void Coordinator::assign() {
  std::vector<int> idle;
  for (int rank = 0; rank < options_.ranks; ++rank) {
    if (tag_of_rank_[static_cast<size_t>(rank)] == 0) idle.push_back(rank);
  }
  for (const Assignment& next : next_assignments(tasks_, states_, idle, options_.ranks, options_.groups)) {
    const Task& task = tasks_[next.task];
    int tag = ++last_tag_;
    groups_.try_emplace(tag, task, next.ranks, recorder_.tables_of(task), options_.rounds, seconds_now());
    states_[next.task] = TaskState::running;
    const Assign assign{task, next.ranks, tag, recorder_.input_of(task)};
    for (int rank : next.ranks) {
      tag_of_rank_[static_cast<size_t>(rank)] = tag;
      link_.send(rank, assign);
    }
  }
}

/// Waits for one message, then takes all that are there: silence is judged by an empty mailbox only.
void Coordinator::listen() {
  auto received = link_.receive(longest_wait);
  while (received) {
    health_.heard(received->from, seconds_now());
    handle(received->from, std::move(received->message));
    received = link_.receive(std::chrono::milliseconds(0));
  }
}

void Coordinator::handle(int from, Message message) {
  if (auto* progress = std::get_if<Progress>(&message)) {
    status_.show(group_of(from, progress->task_id).ranks(), *progress);
  } else if (auto* note = std::get_if<Note>(&message)) {
    const std::string line = group_of(from, note->task_id).task().label + ": " + note->text;
    note->warning ? status_.warn(line) : status_.line(line);
  } else if (auto* histogram = std::get_if<Histogram>(&message)) {
    group_of(from, histogram->task_id).add(*histogram);
  } else if (auto* done = std::get_if<Done>(&message)) {
    group_of(from, done->task_id).add(from, std::move(*done));
    end_part(from);
  } else if (auto* paused = std::get_if<Paused>(&message)) {
    group_of(from, paused->task_id).add(from, *paused);
    end_part(from);
  } else if (auto* failed = std::get_if<Failed>(&message)) {
    handle_failure(from, *failed);
  } else {
    ensure(std::holds_alternative<Heartbeat>(message), "ranks send no Assign and no Stop");
  }
}

GroupRun& Coordinator::group_of(int rank, const std::string& task_id) {
  auto group = groups_.find(tag_of_rank_.at(static_cast<size_t>(rank)));
  ensure(group != groups_.end() && group->second.task().id == task_id,
         "a rank speaks of the task that it was given");
  return group->second;
}

/// The rank has ended its part of its group's task; so may all have.
void Coordinator::end_part(int rank) {
  const int tag = tag_of_rank_[static_cast<size_t>(rank)];
  GroupRun& group = groups_.at(tag);
  if (!group.finished()) return;
  if (group.is_paused()) {
    paused_ += (paused_.empty() ? "" : " and ") + group.paused_at();
  } else {
    finish(group);
  }
  for (int member : group.ranks()) tag_of_rank_[static_cast<size_t>(member)] = 0;
  groups_.erase(tag);
}

void Coordinator::finish(GroupRun& group) {
  const std::string notice = recorder_.record(group, seconds_now());
  if (!notice.empty()) status_.warn(group.task().label + ": " + notice);
  status_.finish(group.ranks(), group.task());
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (tasks_[task].id == group.task().id) states_[task] = TaskState::done;
  }
}

void Coordinator::handle_failure(int from, const Failed& failed) const {
  std::string reason = options_.ranks > 1 ? fmt::format("rank {}: {}", from, failed.reason) : failed.reason;
  throw Error(reason, failed.exit_code);
}

void Coordinator::check_interrupt() {
  const int signal = options_.interrupted();
  if (signal == 0 || all_done()) return;
  if (groups_.empty()) leave_in_order(link_, options_.ranks, signal, paused_, options_.restarts);
  if (!stop_asked_) stop_asked_ = seconds_now();
  if (seconds_now() - *stop_asked_ < options_.stop_wait_s) return;
  throw Error(leaving_line(signal, paused_), exit_code_of_interrupt(signal));
}

void Coordinator::check_silence() {
  if (auto rank = health_.silent_rank(seconds_now())) {
    throw RankError(*rank, fmt::format("rank {}: no sign of life for {:.0f} s (option silence_s)", *rank,
                                       health_.limit_s()));
  }
}

}  // namespace apportion
