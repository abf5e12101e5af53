#include "coordinator/folder/folder_claims.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "coordinator/folder/members.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"

namespace apportion {
FolderClaims::FolderClaims(const FolderOptions& options, Status& status)
    : options_(options),
      status_(status),
      leases_(options.directory, options.job, options.limit_s),
      journal_(options.directory, leases_.member()),
      journals_(options.directory) {
  wait_for_clearing(leases_, [&] { status_.line("waits until `apportion gc` has cleared the folder"); });
  failures_.add(journals_.read_new());
  for (const std::string& fault : journals_.faults()) status_.warn(fault);
  if (!options.keeps_count) before_ = failures_;
  journal_.add(
      {JournalEvent::began, "", options.job, "", "", 0, "", options.cells, options.tasks, options.ranks});
}

FolderClaims::~FolderClaims() {
  try {
    journal_.add({JournalEvent::left});
  } catch (const Error& error) {
    status_.warn(error.what());
  }
}

void FolderClaims::note(JournalEvent event, const Task& task, const std::string& text) {
  JournalRecord record{event, task.id, task.label};
  (event == JournalEvent::lost ? record.other : record.reason) = text;
  journal_.add(record);
}

bool FolderClaims::is_done(const Task& task) {
  if (options_.force && !own_.contains(task.id)) return false;
  std::string why;
  const ArtefactState state = verify_artefact(options_.directory, task, why);
  if (state == ArtefactState::damaged) status_.warn(task.label + " is done again: " + why);
  // A run may have ended between a result and this.
  if (state == ArtefactState::verified) remove_directory(checkpoint_directory(options_.directory, task.id));
  return state == ArtefactState::verified;
}

int FolderClaims::failures_of(const std::string& task) const { return failures_.of(task) - before_.of(task); }

Claim FolderClaims::claim(const Task& task) {
  if (is_done(task)) return Claim::done;
  const Leases::Taking taking = leases_.take(task.id);
  if (!taking.lost_by.empty()) {
    status_.warn(fmt::format("{}: taken over from {}, which is gone", task.label, taking.lost_by));
    note(JournalEvent::lost, task, taking.lost_by);
  }
  if (!taking.ours) {
    met_.insert(task.id);
    return Claim::elsewhere;
  }
  if (met_.contains(task.id) || !taking.lost_by.empty()) {
    failures_.add(journals_.read_new());
    // It may have been done since it was looked at.
    if (is_done(task)) {
      leases_.release(task.id);
      return Claim::done;
    }
  }
  if (failures_of(task.id) >= most_failures) {
    leases_.release(task.id);
    return Claim::set_aside;
  }
  note(JournalEvent::taken, task);
  return Claim::ours;
}

bool FolderClaims::is_elsewhere(const Task& task) { return leases_.is_held(task.id); }

void FolderClaims::confirm(const Task& task) { confirm(task.id, task.label); }

void FolderClaims::confirm(const std::string& task, const std::string& label) const {
  if (leases_.holds(task)) return;
  throw Error(
      fmt::format("{} was taken over by another run, which had not heard of this one for {} s; nothing "
                  "of it is written here",
                  label, options_.limit_s),
      1);
}

void FolderClaims::finished(const Task& task) {
  own_.insert(task.id);
  note(JournalEvent::done, task);
  leases_.release(task.id);
}

void FolderClaims::failed(const Task& task, const std::string& reason) {
  note(JournalEvent::failed, task, reason);
  leases_.release(task.id);
}

void FolderClaims::give_back(const Task& task) {
  note(JournalEvent::given_back, task);
  leases_.release(task.id);
}

/// A run that was away for long hears of it here, and not after hours of work for nothing.
void FolderClaims::beat() {
  if (!leases_.beat()) return;
  for (const std::string& task : leases_.own()) confirm(task, "task " + task.substr(0, 8));
}

void FolderClaims::progress(const Task& task, const std::string& text) { leases_.tell(task.id, text); }

bool FolderClaims::alone(const std::string& what, Patience patience, const std::function<void()>& action) {
  const int looks = patience == Patience::none ? 1 : 300;
  constexpr std::chrono::milliseconds pause(100);
  for (int look = 0; look < looks; ++look) {
    beat();
    if (leases_.take(what).ours) {
      action();
      leases_.release(what);
      return true;
    }
    std::this_thread::sleep_for(pause);
  }
  return false;
}

}  // namespace apportion
