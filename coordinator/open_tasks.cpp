#include "coordinator/open_tasks.h"

#include <algorithm>
#include <utility>

namespace apportion {

OpenTasks::OpenTasks(TaskPool pool, Claims& claims, std::function<void(const Task&)> recorded,
                     std::function<void(const Task&)> set_aside)
    : pool_(std::move(pool)),
      claims_(claims),
      recorded_(std::move(recorded)),
      set_aside_(std::move(set_aside)) {}

bool OpenTasks::goes_on(bool waits) const {
  if (pool_.has_running() || pool_.has_ready()) return true;
  const std::vector<size_t> elsewhere = pool_.elsewhere();
  return std::any_of(elsewhere.begin(), elsewhere.end(),
                     [&](size_t task) { return waits || claims_.is_of_earlier_start(pool_.task(task)); });
}

/// At most once a second; a run that only waits for others pauses a tenth of the time that it has waited (1
/// to 10 s). At the end most of a thousand members may be waiting, and each reads what all others have.
bool OpenTasks::looks(double now) const {
  constexpr double least_s = 1, most_s = 10, share = 0.1;
  const double pause = pool_.has_ready() ? least_s : std::clamp(share * (now - found_), least_s, most_s);
  return !looked_ || now >= *looked_ + pause;
}

void OpenTasks::look_elsewhere() {
  claims_.look();
  for (size_t task : pool_.elsewhere()) {
    if (!claims_.is_elsewhere(pool_.task(task))) pool_.set(task, TaskState::waiting);
  }
}

void OpenTasks::take_note(size_t task, Claim claim) {
  const Task& of = pool_.task(task);
  switch (claim) {
    case Claim::ours:
      return pool_.set(task, TaskState::waiting);
    case Claim::done:
      pool_.set(task, TaskState::done);
      return recorded_(of);
    case Claim::elsewhere:
      return pool_.set(task, TaskState::elsewhere);
    case Claim::set_aside:
      pool_.set(task, TaskState::failed);
      return set_aside_(of);
  }
}

std::vector<size_t> OpenTasks::claimed(size_t most, const std::string& model,
                                       const std::function<bool()>& stops, double now) {
  std::vector<size_t> ours;
  if (most > 0 && looks(now)) {
    if (!looked_) found_ = now;
    looked_ = now;
    look_elsewhere();
  }
  while (ours.size() < most && !stops()) {
    claims_.beat();
    const std::vector<size_t> ready = pool_.ready(most, model);
    const auto next = std::find_if(ready.begin(), ready.end(), [&](size_t task) {
      return std::find(ours.begin(), ours.end(), task) == ours.end();
    });
    if (next == ready.end()) break;
    const Claim claim = claims_.claim(pool_.task(*next));
    take_note(*next, claim);  // this may change what is ready
    if (claim == Claim::ours) ours.push_back(*next);
  }
  if (!ours.empty()) found_ = now;
  return ours;
}

}  // namespace apportion
