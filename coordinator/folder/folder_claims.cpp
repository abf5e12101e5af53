#include "coordinator/folder/folder_claims.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <thread>

#include "coordinator/folder/members.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint.h"
#include "shared/store/index.h"
#include "shared/store/task_file.h"

namespace apportion {

FolderClaims::FolderClaims(const FolderOptions& options, Status& status)
    : options_(options),
      status_(status),
      leases_(options.directory, options.job, options.limit_s),
      journal_(options.directory, leases_.member()),
      journals_(options.directory) {
  wait_for_clearing(leases_, [&] { status_.line("waits until `apportion gc` has cleared the folder"); });
  const std::vector<JournalRecord> before = journals_.read_new();
  if (options.keeps_count) failures_.add(before);
  for (const std::string& fault : journals_.faults()) status_.warn(fault);
  journal_.add({JournalEvent::began, "", options.job});
}

FolderClaims::~FolderClaims() {
  try {
    journal_.add({JournalEvent::left});
  } catch (const Error& error) {
    // What ends this run, such as a full disk, is reported only once.
    if (std::uncaught_exceptions() == 0) status_.warn(error.what());
  }
}

void FolderClaims::note(JournalEvent event, const Task& task, size_t ranks, const std::string& text) {
  JournalRecord record{event, task.id, task.label, text};
  record.ranks = ranks;
  journal_.add(record);
}

bool FolderClaims::is_done(const Task& task, Look look) {
  if (options_.force && !own_.contains(task.id)) return false;
  std::string why;
  const ArtefactState state = verify_artefact(options_.directory, task, why);
  if (state == ArtefactState::damaged && look == Look::first)
    status_.warn(task.label + " is computed again: " + why);
  // A run may have ended after writing its result and before this.
  if (state == ArtefactState::verified) remove_directory(checkpoint_directory(options_.directory, task.id));
  return state == ArtefactState::verified;
}

void FolderClaims::read_journals() {
  const std::vector<JournalRecord> records = journals_.read_new();
  failures_.add(records);
  for (const JournalRecord& record : records) {
    if (record.event == JournalEvent::done && record.member != leases_.member())
      told_done_.insert(record.task);
  }
}

/// A run that replaces a killed one goes on with what that had begun before it begins anything new.
void FolderClaims::look() {
  leased_ = leased_ ? leases_.taken() : leases_.held();
  read_journals();
}

/// Whether another run had the task at the last look.
bool FolderClaims::is_others(const Task& task) const {
  return leased_ && leased_->contains(task.id) && !leases_.own().contains(task.id);
}

/// Checks inputs that other runs have done: nothing of these has been read so far.
void FolderClaims::check_inputs(const Task& task) {
  for (const std::string& input : task.inputs) {
    if (told_done_.erase(input) == 0) continue;
    const std::string why = fault_of_result(options_.directory, input);
    if (why.empty()) continue;
    leases_.release(task.id);
    throw UserError(
        fmt::format("{} needs a result that another run computed, and it is damaged: {}; the same command "
                    "computes it again",
                    task.label, why));
  }
}

Claim FolderClaims::claim(const Task& task) {
  if (is_others(task)) return Claim::elsewhere;
  if (told_done_.contains(task.id) && !options_.force && has_result(options_.directory, task.id))
    return Claim::done;
  if (is_done(task, Look::first)) return Claim::done;
  const Leases::Taking taking = leases_.take(task.id);
  if (!taking.lost_by.empty()) {
    status_.warn(fmt::format("{}: taken over from {}, which is gone", task.label, taking.lost_by));
    JournalRecord lost{JournalEvent::lost, task.id, task.label};
    lost.other = taking.lost_by;
    lost.saved = saved_in(checkpoint_directory(options_.directory, task.id));
    journal_.add(lost);
  }
  if (!taking.ours) return Claim::elsewhere;
  read_journals();
  // Another run may have done it between the two looks.
  if (is_done(task, Look::again)) {
    leases_.release(task.id);
    return Claim::done;
  }
  if (failures_.of(task.id) >= most_failures) {
    leases_.release(task.id);
    return Claim::set_aside;
  }
  check_inputs(task);
  note(JournalEvent::taken, task);
  return Claim::ours;
}

/// Checking whether a holder is gone takes a look at two files, so with many holders only some are checked
/// each second.
bool FolderClaims::is_elsewhere(const Task& task) {
  if (!leased_) return leases_.is_held(task.id);
  if (!leased_->contains(task.id)) return false;
  constexpr double looks_per_second = 64;
  double& checked = checked_[task.id];
  const double now = seconds_now();
  if (now < checked + static_cast<double>(leased_->size()) / looks_per_second) return true;
  checked = now;
  if (leases_.is_held(task.id)) return true;
  leased_->erase(task.id);
  return false;
}

void FolderClaims::confirm(const Task& task) { confirm(task.id, task.label); }

void FolderClaims::confirm(const std::string& task, const std::string& label) const {
  if (leases_.holds(task)) return;
  throw LeaseLost(fmt::format("{} was taken over by another run, which had not heard of this one for {} s; "
                              "this run writes nothing of it",
                              label, options_.limit_s),
                  1);
}

void FolderClaims::finished(const Task& task, size_t ranks) {
  own_.insert(task.id);
  note(JournalEvent::done, task, ranks);
  leases_.release(task.id);
}

void FolderClaims::failed(const Task& task, const std::string& reason, size_t ranks) {
  note(JournalEvent::failed, task, ranks, reason);
  leases_.release(task.id);
}

void FolderClaims::give_back(const Task& task) {
  note(JournalEvent::given_back, task);
  leases_.release(task.id);
}

/// Written before anything else: a batch system may kill the run within a second.
void FolderClaims::stopping() {
  try {
    journal_.add({JournalEvent::stopping});
  } catch (const Error&) {  // leaving in order matters more than this
  }
}

/// A run that was suspended for long learns of its loss here, and not after hours of useless work.
void FolderClaims::beat() {
  if (!leases_.beat()) return;
  for (const std::string& task : leases_.own()) confirm(task, "task " + task.substr(0, 8));
}

void FolderClaims::progress(const Task& task, const std::string& text) { leases_.tell(task.id, text); }

bool FolderClaims::alone(const std::string& what, Patience patience, const std::function<void()>& action) {
  constexpr double beyond_s = 30;
  constexpr std::chrono::milliseconds pause(100);
  const double end = seconds_now() + options_.limit_s + beyond_s;
  while (true) {
    beat();
    if (leases_.take(what).ours) {
      action();
      leases_.release(what);
      return true;
    }
    if (patience == Patience::none || seconds_now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace apportion
