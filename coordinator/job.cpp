// A run from plan to report; see job.h.
#include "coordinator/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <thread>

#include "coordinator/coordinator.h"
#include "coordinator/folder/folder_claims.h"
#include "coordinator/judge/judging.h"
#include "coordinator/leaving.h"
#include "coordinator/prepared_job.h"
#include "coordinator/recorder.h"
#include "coordinator/report/card/leave_cards.h"
#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/report.h"
#include "coordinator/status.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/method.h"
#include "shared/link/interrupt.h"
#include "shared/model_files/shape_text.h"
#include "shared/store/index.h"
#include "shared/store/plan_file.h"

namespace apportion {

namespace {

std::string synthetic_notice(const std::string& model) {
  const ModelShape shape = parse_shape(model);
  return fmt::format("{}: {} parameters with synthetic weights; tokens are {}'s, modulo the vocabulary of {}",
                     model, shape.parameters(), tokenizer_of_shapes, shape.vocabulary);
}

/// A run with several cells goes on past one that fails.
bool is_sweep(const std::vector<JobCell>& cells) { return cells.size() > 1; }

class JobRun {
 public:
  JobRun(Link& link, const std::vector<JobCell>& cells, const JobEnvironment& environment)
      : link_(link),
        cells_(cells),
        environment_(environment),
        output_(cells.front().config.output),
        recorder_(output_.directory, environment.ranks) {
    JobPreparer preparer(environment);
    for (const JobCell& cell : cells)
      in_cell(cell, [&] { jobs_.push_back(preparer.prepare(cell, jobs_.size())); });
    for (size_t cell = 0; cell < cells.size(); ++cell) add_tasks(cell);
  }

  /// Returns the failures. Complete cells are in the index even if the run ends early.
  std::vector<TaskFailure> run() {
    Status status(output_);
    status_ = &status;
    say_notices(status);
    FolderClaims claims(claim_options(), status);
    write_plan_file(output_.directory, plan_file());  // written as a member, so that nobody clears the folder
    environment_.began();
    claims_ = &claims;
    std::vector<TaskFailure> failures;
    try {
      // Judges that need no ranks follow once all that they judge is measured.
      TaskList of_judges = run_tasks(status, failures);
      judge(std::move(of_judges), status, failures);
    } catch (const LeaseLost&) {
      throw;  // another run has the folder now
    } catch (const StorageError&) {
      throw;
    } catch (const std::exception&) {
      write_what_is_complete();
      throw;
    }
    write_cells(FolderClaims::Patience::some);
    if (!complete_.empty())
      status.warn(fmt::format(
          "{} cells are not in the index, which another run is writing; the same command adds them",
          complete_.size()));
    claims_ = nullptr;
    status_ = nullptr;
    return failures;
  }

  /// How many cells lack a result.
  size_t incomplete() const {
    return static_cast<size_t>(
        std::count_if(missing_.begin(), missing_.end(), [](size_t tasks) { return tasks > 0; }));
  }

  /// The cells whose results are all there.
  std::vector<Cell> complete() const {
    std::vector<Cell> cells;
    for (size_t cell = 0; cell < jobs_.size(); ++cell) {
      if (missing_[cell] == 0) cells.push_back(jobs_[cell].cell());
    }
    return cells;
  }

  /// Names of the cells that contain a failed task.
  std::vector<std::string> failed_cells(const std::vector<TaskFailure>& failures) const {
    std::set<size_t> failed;
    for (const TaskFailure& failure : failures) {
      const std::vector<size_t>& cells = shared_.cells_of.at(failure.task.id);
      failed.insert(cells.begin(), cells.end());
    }
    std::vector<std::string> names;
    for (size_t cell : failed) names.push_back(cells_[cell].name);
    return names;
  }

 private:
  PlanFile plan_file() const {
    PlanFile plan{environment_.name, {}, {}};
    for (const JobCell& cell : cells_) plan.cells.push_back(cell.name);
    for (const auto& task : shared_.tasks)
      plan.tasks.push_back({task->id, task->label, shared_.cells_of.at(task->id).front()});
    return plan;
  }

  /// Runs all tasks that need ranks; returns the others.
  TaskList run_tasks(Status& status, std::vector<TaskFailure>& failures) {
    TaskList of_ranks, of_judges;
    for (const auto& task : shared_.tasks) (needs_ranks(*task) ? of_ranks : of_judges).push_back(task);
    CoordinatorOptions how = options();
    for (const auto& task : of_ranks) how.cells.push_back(shared_.cells_of.at(task->id).front());
    const std::vector<TaskState> states(of_ranks.size(), TaskState::waiting);
    Coordinator coordinator(link_, recorder_, *claims_, status, std::move(of_ranks), states, how);
    failures = coordinator.run();
    return of_judges;
  }

  FolderOptions claim_options() const {
    FolderOptions options;
    options.directory = output_.directory;
    options.job = environment_.name;
    options.force = output_.force;
    options.limit_s = output_.lease_s;
    options.keeps_count = !read_batch_job().id.empty();
    return options;
  }

  void add_tasks(size_t cell) {
    missing_.push_back(jobs_[cell].plan.tasks.size());
    const TaskList added = shared_.add(std::move(jobs_[cell].plan.tasks), cell);
    recorder_.add(cells_[cell].config, {jobs_[cell].data, &jobs_[cell].data->tables}, added,
                  cells_[cell].name);
  }

  void say_notices(Status& status) const {
    std::set<std::string> said;
    for (size_t cell = 0; cell < cells_.size(); ++cell) {
      const std::string& model = cells_[cell].config.data.model;
      if (is_shape_text(model) && said.insert(model).second) status.line(synthetic_notice(model));
      const std::string& notice = jobs_[cell].notice;
      if (!notice.empty() && said.insert(notice).second) status.line(notice);
    }
    if (is_sweep(cells_)) status.line(fmt::format("{} cells, {} tasks", cells_.size(), shared_.tasks.size()));
  }

  CoordinatorOptions options() {
    const RunConfig& config = cells_.front().config;
    CoordinatorOptions options;
    options.ranks = environment_.ranks;
    options.groups = {config.ranks.group_size, config.batch.micro_batches, config.ranks.shard_size};
    for (const JobCell& cell : cells_) {
      // A group that suits every cell.
      options.groups.micro_batches = std::min(options.groups.micro_batches, cell.config.batch.micro_batches);
      options.groups.shard_size = std::max(options.groups.shard_size, cell.config.ranks.shard_size);
    }
    options.silence_limit_s = environment_.silence_limit_s;
    options.interrupted = interrupt_signal;
    options.stop_wait_s = config.ranks.end_grace_s;
    options.restarts = environment_.restarts;
    options.goes_on = is_sweep(cells_);
    options.waits = !output_.leave;
    options.recorded = [this](const Task& task) { note_done(task); };
    return options;
  }

  void note_done(const Task& task) {
    if (!done_.insert(task.id).second) return;
    for (size_t cell : shared_.cells_of.at(task.id)) {
      if (--missing_[cell] == 0) complete_.push_back(cell);
    }
    // Writing takes time in proportion to all cells: keep it a small part of the run.
    const double now = seconds_now();
    if (complete_.empty() || now < written_ + std::max(least_pause_s, pause_share * write_s_)) return;
    write_cells(FolderClaims::Patience::none);
  }

  void write_cells(FolderClaims::Patience patience) {
    std::vector<Cell> cells;
    for (size_t cell : complete_) cells.push_back(jobs_[cell].cell());
    if (cells.empty()) return;
    const double before = seconds_now();
    const bool written = claims_->alone("index", patience, [&] {
      write_index(output_.directory, cells, pulse("index", cells_.size()));
      if (is_sweep(cells_)) keep_figures(output_.directory, cells, pulse("figures", cells.size()));
    });
    written_ = seconds_now();
    write_s_ = written_ - before;
    if (written) complete_.clear();
  }

  /// For a run that is failing: no error from here may hide its reason.
  void write_what_is_complete() {
    try {
      write_cells(FolderClaims::Patience::none);
    } catch (const std::exception& error) {
      status_->warn(std::string("the index was not written: ") + error.what());
    }
  }

  /// To be called for each cell that is written: gives a sign of life and, if writing takes long, shows the
  /// count.
  std::function<void()> pulse(const std::string& who, size_t all) {
    const auto shown = std::make_shared<WorkProgress>(*status_, who, "cells");
    return [this, shown, all, cells = size_t{0}]() mutable {
      claims_->beat();
      (*shown)(++cells, all);
    };
  }

  /// Does the judge tasks whose input is done; with `leave`, does not wait for those that another run still
  /// has.
  void judge(TaskList tasks, Status& status, std::vector<TaskFailure>& failures) {
    constexpr std::chrono::milliseconds pause(500);
    while (!tasks.empty()) {
      claims_->look();
      TaskList elsewhere;
      for (const auto& listed : tasks) {
        const Task& task = *listed;
        heed_stop();
        if (!done_.contains(task.inputs.front())) continue;
        Claim claim = claims_->claim(task);
        if (claim == Claim::elsewhere && !claims_->is_elsewhere(task)) claim = claims_->claim(task);
        if (claim == Claim::done) note_done(task);
        if (claim == Claim::set_aside) failures.push_back({task, set_aside_reason, 1});
        if (claim == Claim::elsewhere) elsewhere.push_back(listed);
        if (claim == Claim::ours) judge_one(task, status, failures);
      }
      const bool idle = elsewhere.size() == tasks.size();
      const bool waits =
          !output_.leave || std::any_of(elsewhere.begin(), elsewhere.end(), [&](const auto& listed) {
            return claims_->is_of_earlier_start(*listed);
          });
      if (idle && !waits) return;
      if (idle) std::this_thread::sleep_for(pause);
      tasks = std::move(elsewhere);
    }
  }

  void judge_one(const Task& task, Status& status, std::vector<TaskFailure>& failures) {
    const PreparedJob& job = jobs_[shared_.cells_of.at(task.id).front()];
    try {
      run_judge_task(
          task, recorder_.config_of(task), job.data->dataset, recorder_, status, [&] { heed_stop(); },
          [&] { claims_->confirm(task); });
    } catch (const LeftInOrder&) {
      throw;
    } catch (const LeaseLost&) {
      throw;
    } catch (const StorageError&) {
      throw;
    } catch (const Error& error) {
      claims_->failed(task, error.what(), 1);
      if (!is_sweep(cells_)) throw;
      status.warn(recorder_.name_of(task) + " failed: " + error.what());
      failures.push_back({task, error.what(), error.exit_code()});
      return;
    }
    claims_->finished(task, 1);
    note_done(task);
  }

  /// Called between two pieces of work that no rank does.
  void heed_stop() {
    claims_->beat();
    const int signal = interrupt_signal();
    if (signal != 0) leave_in_order(link_, environment_.ranks, signal, "", environment_.restarts);
  }

  static constexpr double least_pause_s = 5, pause_share = 50;

  Link& link_;
  const std::vector<JobCell>& cells_;
  const JobEnvironment& environment_;
  const OutputConfig& output_;
  Recorder recorder_;
  std::vector<PreparedJob> jobs_;  // one per cell
  SharedTasks shared_;
  std::vector<size_t> missing_;  // per cell, the tasks not yet done
  std::set<std::string> done_;
  std::vector<size_t> complete_;  // complete cells that are not yet in the index
  double written_ = 0, write_s_ = 0;
  FolderClaims* claims_ = nullptr;  // set while the run lasts, as is the next
  Status* status_ = nullptr;
};

/// For a run in which some tasks failed; all others are done, or at work elsewhere.
LeftInOrder failure_for(const std::vector<TaskFailure>& failures, const std::vector<std::string>& cells,
                        bool is_sweep) {
  constexpr size_t most_named = 3;
  std::string names;
  for (size_t i = 0; i < std::min(most_named, cells.size()); ++i) names += (i > 0 ? "; " : "") + cells[i];
  if (cells.size() > most_named) names += fmt::format("; and {} more", cells.size() - most_named);
  const std::string what = is_sweep ? fmt::format("{} cell{} failed, the others are done: {}: ", cells.size(),
                                                  cells.size() == 1 ? "" : "s", names)
                                    : "";
  return {what + failures.front().reason, failures.front().exit_code};
}

}  // namespace

void in_cell(const JobCell& cell, const std::function<void()>& action) {
  if (cell.name.empty()) return action();
  try {
    action();
  } catch (const Error& error) {
    throw Error("cell " + cell.name + ": " + error.what(), error.exit_code());
  }
}

void run_job(Link& link, const std::vector<JobCell>& cells, const JobEnvironment& environment) {
  const OutputConfig& output = cells.front().config.output;
  JobRun job(link, cells, environment);
  make_directories(output.directory);
  const std::vector<TaskFailure> failures = job.run();
  // Ranks need not wait for the report.
  const int exit_code = failures.empty() ? 0 : failures.front().exit_code;
  for (int rank = 0; rank < environment.ranks; ++rank) link.send(rank, Stop{exit_code});
  const size_t incomplete = job.incomplete();
  if (incomplete < cells.size()) print_output(render_report(output.directory, output).text);
  leave_cards(output.directory, job.complete());
  const std::vector<std::string> failed = job.failed_cells(failures);
  if (incomplete > failed.size()) {
    std::fprintf(
        stderr, "what is left of %zu cell%s is at work in other runs of %s; `apportion status` shows them\n",
        incomplete - failed.size(), incomplete - failed.size() == 1 ? "" : "s", output.directory.c_str());
  }
  if (!failures.empty()) throw failure_for(failures, failed, is_sweep(cells));
}

}  // namespace apportion
