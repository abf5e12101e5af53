#include "coordinator/folder/merge.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "coordinator/folder/folder_claims.h"
#include "coordinator/folder/members.h"
#include "coordinator/judge/judgement_cache.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/run_config.h"
#include "shared/store/checkpoint.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/index.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

/// Names of a directory's regular files, or of its directories; leaves out temporary ones.
std::vector<std::string> names_of(const std::string& directory, fs::file_type type) {
  std::vector<std::string> names = names_in(directory);
  std::erase_if(names, [&](const std::string& name) {
    std::error_code error;
    return is_temporary(name) || fs::symlink_status(directory + "/" + name, error).type() != type;
  });
  return names;
}

/// Copies the whole file or nothing: it is first written under a temporary name.
void copy_file(const std::string& from, const std::string& to) {
  const MappedFile file(from);
  write_file(to, file.bytes());
}

std::string content_of(const std::string& result) { return Hdf5Reader(result).text("/", layout::content); }

class Merge {
 public:
  Merge(std::string directory, std::string from)
      : directory_(std::move(directory)),
        from_(std::move(from)),
        status_(quiet_output()),
        claims_(claim_options(), status_) {}

  /// Plans, which name things, come first, so that nobody takes what has arrived for garbage; the index comes
  /// last, since it may only name what is here.
  Merged run(const DoneTold& told) {
    const std::vector<Cell> cells = indexed_cells(from_);
    merge_plans();
    copy_missing("replay");
    merge_references();
    merge_judgements();
    const std::vector<std::string> ids = finished_tasks(from_);
    for (size_t i = 0; i < ids.size(); ++i) {
      told(i, ids.size());
      merge_result(ids[i]);
    }
    merge_cells(cells);
    merge_journals();
    return merged_;
  }

 private:
  static OutputConfig quiet_output() {
    OutputConfig output;
    output.quiet = true;
    return output;
  }

  FolderOptions claim_options() const {
    FolderOptions options;
    options.directory = directory_;
    options.job = "merge";
    return options;
  }

  std::string here(const std::string& path) const { return directory_ + "/" + path; }
  std::string there(const std::string& path) const { return from_ + "/" + path; }

  void merge_plans() {
    std::map<std::string, PlanFile> ours;
    for (PlanFile& plan : read_plan_files(directory_)) ours[plan.job] = std::move(plan);
    for (const PlanFile& plan : read_plan_files(from_)) {
      const auto mine = ours.find(plan.job);
      if (mine == ours.end()) {
        write_plan_file(directory_, plan);
        continue;
      }
      const PlanFile both = united(mine->second, plan);
      const bool grows =
          both.tasks.size() > mine->second.tasks.size() || both.cells.size() > mine->second.cells.size();
      if (grows) write_plan_file(directory_, both);
    }
  }

  void copy_missing(const std::string& part) {
    for (const std::string& name : names_of(there(part), fs::file_type::regular)) {
      claims_.beat();
      if (path_exists(here(part + "/" + name))) continue;
      make_directories(here(part));
      copy_file(there(part + "/" + name), here(part + "/" + name));
    }
  }

  /// The files of a kept reference are a checkpoint's: COMPLETE comes last.
  void merge_references() {
    for (const std::string& key : names_of(there("reference"), fs::file_type::directory)) {
      for (const std::string& step : names_of(there("reference/" + key), fs::file_type::directory)) {
        const std::string path = "reference/" + key + "/" + step, last = path + completion_name;
        if (!path_exists(there(last)) || path_exists(here(last))) continue;
        make_directories(here(path));
        for (const std::string& name : names_of(there(path), fs::file_type::regular)) {
          const std::string file = path + "/" + name;
          claims_.beat();
          if (file != last) copy_file(there(file), here(file));
        }
        copy_file(there(last), here(last));
      }
    }
  }

  /// Keeps a server from being asked again for what it has answered there. Appends lines, as runs do.
  void merge_judgements() {
    for (const std::string& name : names_of(there("judgements"), fs::file_type::regular)) {
      claims_.beat();
      JudgementCache cache(here("judgements/" + name));
      cache.add_all(there("judgements/" + name));
    }
  }

  void leave(const std::string& line) { merged_.left.push_back(line); }

  void merge_result(const std::string& id) {
    claims_.beat();
    try {
      if (has_result(directory_, id)) return compare(id);
      const Task task = read_task_record(result_path(from_, id)).task;
      std::string why;
      const bool whole = verify_artefact(from_, task, why) == ArtefactState::verified;
      if (!whole || task.id != id)
        return leave(
            fmt::format("{}: it is not copied", whole ? there(id) + " belongs to another task" : why));
    } catch (const DataError& damage) {
      return leave(fmt::format("{}: it is not copied", damage.what()));
    }
    const bool taken = claims_.alone(id, FolderClaims::Patience::none, [&] { copy_task(id); });
    if (!taken)
      leave(fmt::format("task {} is at work in {}; what {} has of it is not copied", id.substr(0, 8),
                        directory_, from_));
  }

  void compare(const std::string& id) {
    if (content_of(result_path(directory_, id)) == content_of(result_path(from_, id))) {
      ++merged_.had;
      return;
    }
    leave(fmt::format("{} and {} are results of the same task and differ; the first one stays",
                      result_path(directory_, id), result_path(from_, id)));
  }

  /// The member must hold the task's lease. Copies in the order in which a run writes: what was trained, then
  /// the result, which commits it.
  void copy_task(const std::string& id) {
    if (has_result(directory_, id)) return compare(id);
    for (const std::string& part : names_of(there("tasks/" + id), fs::file_type::directory)) {
      if (part != "adapter" && part != "weights") continue;
      const std::string path = "tasks/" + id + "/" + part;
      make_directories(here(path));
      for (const std::string& name : names_of(there(path), fs::file_type::regular)) {
        claims_.beat();
        copy_file(there(path + "/" + name), here(path + "/" + name));
      }
    }
    make_directories(task_directory(directory_, id));
    copy_file(result_path(from_, id), result_path(directory_, id));
    remove_directory(checkpoint_directory(directory_, id));
    ++merged_.results;
  }

  void merge_cells(const std::vector<Cell>& theirs) {
    const bool written = claims_.alone("index", FolderClaims::Patience::some, [&] {
      std::map<std::pair<std::string, std::string>, Cell> ours;
      for (const Cell& cell : indexed_cells(directory_)) ours[{cell.job, cell.name}] = cell;
      std::vector<Cell> new_ones;
      for (const Cell& cell : theirs) {
        const auto mine = ours.find({cell.job, cell.name});
        if (mine == ours.end()) {
          if (has_results(cell)) new_ones.push_back(cell);
        } else if (tasks_of(mine->second) != tasks_of(cell)) {
          leave(fmt::format("cell {} of job {} has other tasks in {} than in {}; the latter's stay",
                            cell.name, cell.job, from_, directory_));
        }
      }
      if (!new_ones.empty() || merged_.results > 0) write_index(directory_, new_ones);
      merged_.cells = new_ones.size();
    });
    if (!written)
      throw UserError("merge: another run has been writing the index of " + directory_ +
                      " for too long; run the command again");
  }

  bool has_results(const Cell& cell) {
    for (const std::string& id : tasks_of(cell)) {
      if (has_result(directory_, id)) continue;
      leave(fmt::format("cell {} of job {} is left out: task {} is not here", cell.name, cell.job,
                        id.substr(0, 8)));
      return false;
    }
    return true;
  }

  /// A run's journal only grows: of two that begin alike the longer one is newer.
  void merge_journals() {
    const std::string part = "journal/";
    for (const std::string& name : names_of(there(part), fs::file_type::regular)) {
      if (path_exists(here(part + name))) {
        const std::string ours = read_file(here(part + name));
        if (!MappedFile(there(part + name)).bytes().starts_with(ours) ||
            file_size(there(part + name)) == ours.size())
          continue;
      }
      copy_file(there(part + name), here(part + name));
    }
  }

  std::string directory_, from_;
  Status status_;
  FolderClaims claims_;
  Merged merged_;
};

}  // namespace

PlanFile united(const PlanFile& ours, const PlanFile& theirs) {
  PlanFile both = ours;
  std::map<std::string, size_t> places;
  for (size_t cell = 0; cell < both.cells.size(); ++cell) places.emplace(both.cells[cell], cell);
  for (const std::string& cell : theirs.cells) {
    if (places.emplace(cell, both.cells.size()).second) both.cells.push_back(cell);
  }
  std::set<std::string> known;
  for (const PlannedTask& task : both.tasks) known.insert(task.id);
  for (const PlannedTask& task : theirs.tasks) {
    if (known.insert(task.id).second)
      both.tasks.push_back({task.id, task.label, places.at(theirs.cells[task.cell])});
  }
  return both;
}

Merged merge_folder(const std::string& directory, const std::string& from, const DoneTold& told) {
  require_folder(directory, "merge");
  require_folder(from, "merge");
  std::error_code error;
  if (fs::equivalent(directory, from, error))
    throw UserError("merge: " + directory + " and " + from + " are the same folder");
  require_idle(from, "merge");
  if (finished_tasks(from).empty() && read_plan_files(from).empty())
    throw UserError("merge: " + from + " holds no results: give the folder that `apportion run` wrote to");
  indexed_cells(directory);  // throws for a damaged index here, which would otherwise pass for none
  return Merge(directory, from).run(told);
}

int say_merged(const Merged& merged, const std::string& from) {
  print_output(fmt::format("{} results and {} cells came from {}; {} results were here\n", merged.results,
                           merged.cells, from, merged.had));
  for (const std::string& line : merged.left) std::fprintf(stderr, "apportion: %s\n", line.c_str());
  return merged.left.empty() ? 0 : 1;
}

}  // namespace apportion
