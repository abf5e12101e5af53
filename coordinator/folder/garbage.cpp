#include "coordinator/folder/garbage.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <tuple>

#include "coordinator/folder/members.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

constexpr const char* removed_name = "removed";

/// A temporary file younger than this may still be being written.
constexpr double writing_s = hour_s;

/// When the file or directory itself last changed; 0 if it does not exist.
double time_of(const std::string& path) {
  constexpr double nanosecond = 1e-9;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return 0;
  return static_cast<double>(status.st_mtim.tv_sec) +
         nanosecond * static_cast<double>(status.st_mtim.tv_nsec);
}

/// Calls take(path) for each regular file below `path`, or for `path` itself if it is one; follows no links.
template <typename Take>
void each_file(const std::string& path, const Take& take) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() == fs::file_type::regular) return take(path);
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->symlink_status(error).type() == fs::file_type::regular) take(entry->path().string());
  }
}

/// The earliest time of `path` and of any file below it.
double made_at(const std::string& path) {
  double first = std::numeric_limits<double>::infinity();
  each_file(path, [&](const std::string& file) { first = std::min(first, time_of(file)); });
  return std::min(first, time_of(path));
}

class Listing {
 public:
  Listing(std::string directory, const std::map<std::string, NamedTask>& named, double now)
      : directory_(std::move(directory)), named_(named), now_(now) {}

  void add(GarbageSort sort, const std::string& path) {
    Garbage item{sort, path, 0, time_of(directory_ + "/" + path)};
    each_file(directory_ + "/" + path, [&](const std::string& file) {
      std::error_code error;
      const uint64_t size = fs::file_size(file, error);
      if (!error) item.bytes += size;
    });
    items_.push_back(std::move(item));
  }

  void add_tasks() {
    for (const std::string& id : names_in(directory_ + "/tasks")) {
      const std::string path = "tasks/" + id;
      const auto entry = named_.find(id);
      if (entry == named_.end()) {
        add(has_result(directory_, id) ? GarbageSort::result : GarbageSort::unfinished, path);
        continue;
      }
      const bool has_checkpoint = entry->second.finished && path_exists(checkpoint_directory(directory_, id));
      if (has_checkpoint) add(GarbageSort::checkpoint, path + "/checkpoint");
      add_temporaries(path, has_checkpoint ? "checkpoint" : "");
    }
  }

  /// Shared files do not name the tasks that use them, since their keys also depend on the machine. But a
  /// task that used one finished after the file was made, or is not finished.
  void add_shared() {
    double answers = 0, reference = 0;  // when the last task that may have read them was finished
    for (const auto& [id, task] : named_) {
      const double when =
          task.finished ? time_of(result_path(directory_, id)) : std::numeric_limits<double>::infinity();
      if (!task.finished || task.reads_answers) answers = std::max(answers, when);
      if (!task.finished || task.reads_reference) reference = std::max(reference, when);
    }
    for (const std::string& name : names_in(directory_ + "/replay")) {
      if (!is_temporary(name) && made_at(directory_ + "/replay/" + name) > answers)
        add(GarbageSort::answers, "replay/" + name);
    }
    for (const std::string& name : names_in(directory_ + "/reference")) {
      if (made_at(directory_ + "/reference/" + name) > reference) {
        add(GarbageSort::reference, "reference/" + name);
      } else {
        add_temporaries("reference/" + name, "");
      }
    }
  }

  /// Temporary files of a directory, except below `except`, which is removed as a whole.
  void add_temporaries(const std::string& path, const std::string& except) {
    const std::string whole = directory_ + "/" + path;
    each_file(whole, [&](const std::string& file) {
      if (!except.empty() && file.starts_with(whole + "/" + except + "/")) return;
      add_if_temporary(file.substr(directory_.size() + 1));
    });
  }

  void add_loose_temporaries() {
    for (const std::string& name : names_in(directory_)) {
      std::error_code error;
      if (fs::is_regular_file(directory_ + "/" + name, error)) add_if_temporary(name);
    }
    for (const char* part : {"plans", "replay", "judgements", "journal", "slurm"}) add_temporaries(part, "");
  }

  /// Signs of members that are not alive; names that start with a dot are about to become signs.
  void add_signs() {
    std::set<std::string> alive;
    for (const MemberStatus& member : folder_members(directory_, now_)) {
      if (member.alive) alive.insert(member.id);
    }
    const std::map<std::string, std::string> leases = read_leases(directory_);
    auto of_living = [&](const std::string& name) {
      return std::any_of(alive.begin(), alive.end(),
                         [&](const std::string& member) { return name.find(member) != std::string::npos; });
    };
    for (const std::string& name : names_in(members_directory(directory_)))
      if (!of_living(name)) add(GarbageSort::sign, "members/" + name);
    for (const std::string& name : names_in(leases_directory(directory_))) {
      const auto lease = leases.find(name);
      if (!of_living(lease == leases.end() ? name : lease->second)) add(GarbageSort::sign, "leases/" + name);
    }
  }

  void add_removed() {
    for (const std::string& name : names_in(directory_ + "/" + removed_name))
      add(GarbageSort::removed, std::string(removed_name) + "/" + name);
  }

  std::vector<Garbage> take() {
    std::stable_sort(items_.begin(), items_.end(), [](const Garbage& a, const Garbage& b) {
      return std::tie(a.sort, a.time, a.path) < std::tie(b.sort, b.time, b.path);
    });
    return std::move(items_);
  }

 private:
  void add_if_temporary(const std::string& path) {
    if (is_temporary(fs::path(path).filename().string()) &&
        time_of(directory_ + "/" + path) < now_ - writing_s)
      add(GarbageSort::temporary, path);
  }

  std::string directory_;
  const std::map<std::string, NamedTask>& named_;
  double now_;
  std::vector<Garbage> items_;
};

/// Throws for a name that is not a job of the folder.
void check_jobs(const std::string& directory, const FolderJobs& jobs, const std::vector<std::string>& names,
                bool need_plan) {
  for (const std::string& name : names) {
    const bool planned = std::any_of(jobs.plans.begin(), jobs.plans.end(),
                                     [&](const PlanFile& plan) { return plan.job == name; });
    const bool indexed =
        std::any_of(jobs.cells.begin(), jobs.cells.end(), [&](const Cell& cell) { return cell.job == name; });
    if (planned || (indexed && !need_plan)) continue;
    std::string known;
    for (const PlanFile& plan : jobs.plans) known += (known.empty() ? "" : ", ") + plan.job;
    throw UserError(fmt::format("gc: {} has no {} '{}'{}", directory, need_plan ? "plan of a job" : "job",
                                name, known.empty() ? "" : "; its plans are of: " + known));
  }
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Which cells stay. With `only`, a cell of these jobs stays if its job's last run still had all its tasks.
class Staying {
 public:
  Staying(const Forgotten& forgotten, const std::vector<PlanFile>& plans) : forgotten_(forgotten) {
    for (const PlanFile& plan : plans) {
      for (const PlannedTask& task : plan.tasks) planned_[plan.job].insert(task.id);
    }
  }
  bool has(const PlanFile& plan) const {
    return forgotten_.only.empty() ? !contains(forgotten_.forget, plan.job)
                                   : contains(forgotten_.only, plan.job);
  }
  bool has(const Cell& cell) const {
    if (forgotten_.only.empty()) return !contains(forgotten_.forget, cell.job);
    if (!contains(forgotten_.only, cell.job)) return false;
    const std::set<std::string>& planned = planned_.at(cell.job);
    const std::set<std::string> tasks = tasks_of(cell);
    return std::includes(planned.begin(), planned.end(), tasks.begin(), tasks.end());
  }

 private:
  const Forgotten& forgotten_;
  std::map<std::string, std::set<std::string>> planned_;
};

std::map<std::string, NamedTask> named_or_refused(const std::string& directory, const FolderJobs& jobs) {
  try {
    return named_tasks(directory, jobs);
  } catch (const DataError& damage) {
    throw UserError(std::string("gc: ") + damage.what() +
                    "; so what this result builds on is unknown. Run its job again to recompute it");
  }
}

}  // namespace

const char* name_of(GarbageSort sort) {
  constexpr const char* names[garbage_sorts] = {"finished tasks",
                                                "unfinished tasks",
                                                "checkpoints of finished tasks",
                                                "answers in replay",
                                                "log-probs in reference",
                                                "temporary files",
                                                "leases and signs of runs that are gone",
                                                "plans of forgotten jobs",
                                                "left of an earlier removal"};
  return names[static_cast<int>(sort)];
}

FolderGarbage find_garbage(const std::string& directory, const Forgotten& forgotten, double now) {
  const FolderJobs all = read_folder_jobs(directory);
  if (all.plans.empty() && all.cells.empty())
    throw UserError("gc: " + directory +
                    " has no jobs (neither plans nor cells of an index), so nothing says which parts are "
                    "needed; if none are, remove the folder");
  check_jobs(directory, all, forgotten.forget, false);
  check_jobs(directory, all, forgotten.only, true);
  const Staying staying(forgotten, all.plans);
  FolderJobs jobs;
  FolderGarbage garbage;
  for (const PlanFile& plan : all.plans) {
    if (staying.has(plan)) jobs.plans.push_back(plan);
  }
  for (const Cell& cell : all.cells) {
    if (staying.has(cell)) {
      jobs.cells.push_back(cell);
    } else {
      garbage.forgotten_cells.push_back(cell.job + "/" + cell.name);
    }
  }
  const std::map<std::string, NamedTask> named = named_or_refused(directory, jobs);
  Listing listing(directory, named, now);
  listing.add_tasks();
  listing.add_shared();
  listing.add_loose_temporaries();
  listing.add_signs();
  for (const PlanFile& plan : all.plans) {
    if (!staying.has(plan)) listing.add(GarbageSort::plan, plan_path("", plan.job).substr(1));
  }
  listing.add_removed();
  garbage.items = listing.take();
  garbage.cells = std::move(jobs.cells);
  return garbage;
}

FolderGarbage remove_garbage(const std::string& directory, const Forgotten& forgotten,
                             const FolderGarbage& listed, Leases& self, double now) {
  if (!self.take(clearing_lease).ours) throw UserError("gc: another gc is at work in " + directory);
  require_idle(directory, "gc", self.member());
  FolderGarbage garbage = find_garbage(directory, forgotten, now);
  std::set<std::string> was_listed;
  for (const Garbage& item : listed.items) was_listed.insert(item.path);
  std::erase_if(garbage.items, [&](const Garbage& item) { return !was_listed.contains(item.path); });

  // First removes what names things, then what is no longer named.
  const bool indexed = path_exists(directory + "/index.h5");
  if (indexed && !garbage.forgotten_cells.empty()) replace_index(directory, garbage.cells);
  const std::string aside = directory + "/" + removed_name + "/" + self.member();
  make_directories(aside);
  std::stable_partition(garbage.items.begin(), garbage.items.end(),
                        [](const Garbage& item) { return item.sort == GarbageSort::plan; });
  size_t number = 0;
  for (const Garbage& item : garbage.items) {
    self.beat();
    if (item.sort == GarbageSort::removed) continue;
    std::error_code error;
    fs::rename(directory + "/" + item.path, fmt::format("{}/{}", aside, number++), error);
    if (error) throw UserError("cannot move " + directory + "/" + item.path + ": " + error.message());
  }
  if (indexed) replace_index(directory, garbage.cells);
  self.release(clearing_lease);
  remove_directory(directory + "/" + removed_name);
  return garbage;
}

}  // namespace apportion
