// Assigning, listening, recording; see coordinator.h.
#include "coordinator/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/link/interrupt.h"

namespace apportion {

namespace {

/// How long the coordinator sleeps without a message; an interruption is noticed within this time.
constexpr auto longest_wait = std::chrono::milliseconds(100);

/// A single group of all ranks keeps the plan's order, which measures the untouched model first; with several
/// groups the longest chain starts first.
TaskOrder order_of(const CoordinatorOptions& options) {
  const bool side_by_side =
      options.ranks > 1 && (options.groups.group_size == 0 || options.groups.group_size < options.ranks);
  return side_by_side ? TaskOrder::longest_first : TaskOrder::plan;
}

/// ": loading" for the stage "stage 1: loading"; empty when the stage is the task itself.
std::string part_of(const Task& task, const std::string& stage) {
  return stage.starts_with(task.label + ": ") ? stage.substr(task.label.size()) : "";
}

}  // namespace

Coordinator::Coordinator(Link& link, const Recorder& recorder, Claims& claims, Status& status, TaskList tasks,
                         const std::vector<TaskState>& states, const CoordinatorOptions& options)
    : link_(link),
      recorder_(recorder),
      claims_(claims),
      status_(status),
      options_(options),
      tasks_(TaskPool(std::make_shared<const TaskGraph>(std::move(tasks), order_of(options), options.cells),
                      states),
             claims, options.recorded,
             [this](const Task& task) {
               failures_.push_back({task, set_aside_reason, 1});
             }),
      health_(options.ranks, options.silence_limit_s, seconds_now()),
      tag_of_rank_(static_cast<size_t>(options.ranks), 0) {}

std::vector<TaskFailure> Coordinator::run() {
  while (true) {
    if (options_.interrupted() == 0) assign();
    if (!tasks_.goes_on(options_.waits)) return failures_;
    listen();
    claims_.beat();
    check_interrupt();
    check_silence();
  }
}

/// Only the last group may have fewer ranks.
size_t Coordinator::smallest_group(int idle) const {
  const int fixed = std::min(options_.groups.group_size, idle);
  return static_cast<size_t>(std::max({options_.groups.shard_size, fixed, 1}));
}

void Coordinator::assign() {
  std::vector<int> idle;
  for (int rank = 0; rank < options_.ranks; ++rank) {
    if (tag_of_rank_[static_cast<size_t>(rank)] == 0) idle.push_back(rank);
  }
  if (idle.empty()) return;
  const TaskPool& pool = tasks_.pool();
  const std::vector<size_t> ours = tasks_.claimed(
      idle.size() / smallest_group(static_cast<int>(idle.size())), model_,
      [this] { return options_.interrupted() != 0; }, seconds_now());
  if (options_.interrupted() != 0) {
    for (size_t task : ours) claims_.give_back(pool.task(task));
    return;
  }
  std::set<size_t> left(ours.begin(), ours.end());
  for (const Assignment& next : next_assignments(pool, ours, idle, options_.groups)) {
    const Task& task = pool.task(next.task);
    const int tag = ++last_tag_;
    groups_.try_emplace(
        tag, Running{next.task, GroupRun(task, next.ranks, recorder_.tables_of(task),
                                         recorder_.config_of(task).measure.rounds, seconds_now())});
    tasks_.set(next.task, TaskState::running);
    left.erase(next.task);
    model_ = task.identity.value("model", model_);
    const Assign assign{task, next.ranks, tag, recorder_.settings_for(task), recorder_.input_of(task)};
    for (int rank : next.ranks) {
      tag_of_rank_[static_cast<size_t>(rank)] = tag;
      link_.send(rank, assign);
    }
  }
  for (size_t task : left) claims_.give_back(pool.task(task));
}

/// Waits for one message, then takes all that are there: silence is judged only once the mailbox is empty.
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
    const GroupRun& group = group_of(from, progress->task_id);
    status_.show(group.ranks(), *progress);
    claims_.progress(group.task(),
                     fmt::format("{}{} {}/{}", recorder_.name_of(group.task()),
                                 part_of(group.task(), progress->stage), progress->step, progress->steps));
  } else if (auto* note = std::get_if<Note>(&message)) {
    const std::string line = recorder_.name_of(group_of(from, note->task_id).task()) + ": " + note->text;
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
  ensure(group != groups_.end() && group->second.run.task().id == task_id,
         "a rank speaks of the task that it was given");
  return group->second.run;
}

void Coordinator::end_group(int group_tag, TaskState state) {
  const Running& group = groups_.at(group_tag);
  for (int rank : group.run.ranks()) tag_of_rank_[static_cast<size_t>(rank)] = 0;
  tasks_.set(group.task, state);
  groups_.erase(group_tag);
}

/// The rank has ended its part of its group's task, perhaps as the last one.
void Coordinator::end_part(int rank) {
  const int tag = tag_of_rank_[static_cast<size_t>(rank)];
  GroupRun& group = groups_.at(tag).run;
  if (!group.finished()) return;
  if (group.is_paused()) {
    paused_ += (paused_.empty() ? "" : " and ") + group.paused_at();
    claims_.give_back(group.task());
    end_group(tag, TaskState::waiting);
  } else {
    finish(group);
    end_group(tag, TaskState::done);
  }
}

void Coordinator::finish(GroupRun& group) {
  const std::string notice = recorder_.record(group, seconds_now(), [&] { claims_.confirm(group.task()); });
  claims_.finished(group.task(), group.ranks().size());
  options_.recorded(group.task());
  if (!notice.empty()) status_.warn(recorder_.name_of(group.task()) + ": " + notice);
  status_.finish(group.ranks(), recorder_.name_of(group.task()));
}

/// A rank that worked alone, and names its task, can take another one. When nothing can be written any more,
/// all tasks would fail one after another and a batch job would set them aside, so the run ends.
void Coordinator::handle_failure(int from, const Failed& failed) {
  std::string reason = options_.ranks > 1 ? fmt::format("rank {}: {}", from, failed.reason) : failed.reason;
  const int tag = tag_of_rank_.at(static_cast<size_t>(from));
  const auto group = groups_.find(tag);
  if (failed.is_of_storage) throw StorageError(reason);
  if (group != groups_.end())
    claims_.failed(group->second.run.task(), reason, group->second.run.ranks().size());
  const bool alone = group != groups_.end() && group->second.run.ranks().size() == 1 &&
                     group->second.run.task().id == failed.task_id;
  if (!options_.goes_on || !alone) throw Error(reason, failed.exit_code);
  const Task& task = group->second.run.task();
  status_.drop(group->second.run.ranks());
  status_.warn(recorder_.name_of(task) + " failed: " + reason);
  failures_.push_back({task, reason, failed.exit_code});
  end_group(tag, TaskState::failed);
}

void Coordinator::check_interrupt() {
  const int signal = options_.interrupted();
  if (signal == 0 || !tasks_.goes_on(options_.waits)) return;
  if (!groups_.empty() && !stop_asked_) claims_.stopping();
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
