#include "coordinator/folder/folder_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "coordinator/folder/folder_claims.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/store/index.h"
#include "shared/store/journal.h"
#include "shared/store/plan_file.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

constexpr const char* phase_names[] = {"done", "running", "waiting", "failed", "set aside"};

/// What the journals say.
struct History {
  FailureCount failures;
  std::unordered_map<std::string, std::string> reasons;  // by task: why it last failed
  double seconds = 0;                                    // that ranks spent on tasks
  size_t ended = 0, last_hour = 0;                       // tasks
};

/// Nobody saw it end; these are the possible reasons.
std::string gone_reason(const std::string& member) {
  return "its run " + member + " was killed (out of memory? by hand?) or lost its machine";
}

History history_of(const std::vector<JournalRecord>& records, double now) {
  History history;
  history.failures.add(records);
  std::unordered_map<std::string, double> when;  // time of the last failure
  for (const JournalRecord& record : records) {
    const bool failed = record.event == JournalEvent::failed;
    if ((!failed && record.event != JournalEvent::lost) || record.time < when[record.task]) continue;
    when[record.task] = record.time;
    history.reasons[record.task] = failed ? record.reason : gone_reason(record.other);
  }
  for (const TaskSpan& span : spans_of(records)) {
    history.seconds += span.seconds * static_cast<double>(span.ranks);
    ++history.ended;
    if (span.end == JournalEvent::done && span.ended > now - hour_s) ++history.last_hour;
  }
  return history;
}

TaskPhase phase_of(const std::string& directory, const std::string& task, const std::string& member,
                   int failures) {
  if (has_result(directory, task)) return TaskPhase::done;
  if (!member.empty()) return TaskPhase::running;
  if (failures >= most_failures) return TaskPhase::set_aside;
  return failures > 0 ? TaskPhase::failed : TaskPhase::waiting;
}

JobStatus status_of(const std::string& directory, const PlanFile& plan, const History& history,
                    const std::map<std::string, std::string>& running) {
  JobStatus job{plan.job, plan.cells.size(), {}};
  for (const PlannedTask& planned : plan.tasks) {
    TaskStatus& task = job.tasks.emplace_back();
    const std::string& cell = plan.cells[planned.cell];
    task.id = planned.id;
    task.name = cell.empty() ? planned.label : planned.label + " (" + cell + ")";
    const auto at_work = running.find(planned.id);
    if (at_work != running.end()) task.member = at_work->second;
    task.phase = phase_of(directory, planned.id, task.member, history.failures.of(planned.id));
    const auto reason = history.reasons.find(planned.id);
    const bool has_failed = task.phase == TaskPhase::failed || task.phase == TaskPhase::set_aside;
    if (has_failed && reason != history.reasons.end()) task.reason = reason->second;
  }
  return job;
}

std::string hours_text(double hours) {
  return hours < 10 ? fmt::format("{:.1f}", hours) : fmt::format("{:.0f}", hours);
}

}  // namespace

size_t JobStatus::count(TaskPhase phase) const {
  return static_cast<size_t>(
      std::count_if(tasks.begin(), tasks.end(), [&](const TaskStatus& task) { return task.phase == phase; }));
}

FolderStatus folder_status(const std::string& directory, double now) {
  const std::vector<PlanFile> plans = read_plan_files(directory);
  if (plans.empty())
    throw UserError(directory + " has no jobs: give the folder that `apportion run` writes its results to");
  FolderStatus status;
  JournalReader journals(directory);
  const History history = history_of(journals.read_new(), now);
  status.faults = journals.faults();
  status.members = folder_members(directory, now);
  std::set<std::string> alive;
  for (const MemberStatus& member : status.members) {
    if (member.alive) alive.insert(member.id);
  }
  std::map<std::string, std::string> running;
  for (const auto& [task, member] : read_leases(directory)) {
    if (alive.contains(member)) running[task] = member;
  }
  size_t left = 0;
  for (const PlanFile& plan : plans) {
    const JobStatus& job = status.jobs.emplace_back(status_of(directory, plan, history, running));
    left += job.count(TaskPhase::running) + job.count(TaskPhase::waiting) + job.count(TaskPhase::failed);
  }
  status.tasks_per_hour = static_cast<double>(history.last_hour);
  status.rank_hours = history.seconds / hour_s;
  if (history.ended > 0)
    status.rank_hours_left =
        status.rank_hours / static_cast<double>(history.ended) * static_cast<double>(left);
  return status;
}

std::string render_status(const FolderStatus& status) {
  std::string text;
  for (const std::string& fault : status.faults) text += "warning: " + fault + "\n";
  for (const JobStatus& job : status.jobs) {
    text += fmt::format("{}: {} cell{}, {} tasks: ", job.job, job.cells, job.cells == 1 ? "" : "s",
                        job.tasks.size());
    for (size_t phase = 0; phase < std::size(phase_names); ++phase) {
      const size_t count = job.count(static_cast<TaskPhase>(phase));
      if (phase == 0 || count > 0)
        text += fmt::format("{}{} {}", phase > 0 ? ", " : "", count, phase_names[phase]);
    }
    text += "\n";
  }
  if (status.tasks_per_hour > 0 || status.rank_hours > 0) {
    text +=
        fmt::format("{} tasks in the last hour; rank-hours: {} used, about {} left\n", status.tasks_per_hour,
                    hours_text(status.rank_hours), hours_text(status.rank_hours_left));
  }
  for (const MemberStatus& member : status.members) {
    text += fmt::format("{} {}{} since {}", member.alive ? "at work:" : "lost:   ", member.id,
                        member.slurm_job.empty() ? "" : " (Slurm job " + member.slurm_job + ")",
                        local_time_text(member.began, "%b %d %H:%M"));
    const std::string doing = doing_text(member);
    text += (doing.empty() ? "" : ": " + doing) + "\n";
  }
  constexpr size_t most_shown = 20;
  size_t failed = 0;
  for (const JobStatus& job : status.jobs) {
    for (const TaskStatus& task : job.tasks) {
      if (task.phase != TaskPhase::failed && task.phase != TaskPhase::set_aside) continue;
      if (++failed > most_shown) continue;
      text +=
          fmt::format("{}: {}: {}\n", phase_names[static_cast<size_t>(task.phase)], task.name, task.reason);
    }
  }
  if (failed > most_shown)
    text += fmt::format("and {} more that failed (--json has all)\n", failed - most_shown);
  return text;
}

std::string status_json(const FolderStatus& status) {
  nlohmann::json json = {{"tasks_per_hour", status.tasks_per_hour},   {"rank_hours", status.rank_hours},
                         {"rank_hours_left", status.rank_hours_left}, {"faults", status.faults},
                         {"jobs", nlohmann::json::array()},           {"members", nlohmann::json::array()}};
  for (const JobStatus& job : status.jobs) {
    nlohmann::json tasks = nlohmann::json::array(), counts;
    for (size_t phase = 0; phase < std::size(phase_names); ++phase)
      counts[phase_names[phase]] = job.count(static_cast<TaskPhase>(phase));
    for (const TaskStatus& task : job.tasks) {
      tasks.push_back({{"task", task.id},
                       {"name", task.name},
                       {"state", phase_names[static_cast<size_t>(task.phase)]},
                       {"member", task.member},
                       {"reason", task.reason}});
    }
    json["jobs"].push_back({{"job", job.job}, {"cells", job.cells}, {"counts", counts}, {"tasks", tasks}});
  }
  for (const MemberStatus& member : status.members) {
    json["members"].push_back({{"member", member.id},
                               {"host", member.host},
                               {"job", member.job},
                               {"slurm_job", member.slurm_job},
                               {"began", member.began},
                               {"alive", member.alive},
                               {"doing", member.doing}});
  }
  return json_text(json, 1) + "\n";
}

size_t retry_failed(const std::string& directory) {
  const FolderStatus status = folder_status(directory, folder_seconds(directory));
  std::set<std::string> failed;
  for (const JobStatus& job : status.jobs) {
    for (const TaskStatus& task : job.tasks) {
      if (task.phase == TaskPhase::failed || task.phase == TaskPhase::set_aside) failed.insert(task.id);
    }
  }
  if (failed.empty()) return 0;
  Leases self(directory, "retry", 60);
  JournalReader journals(directory);
  FailureCount failures;
  failures.add(journals.read_new());
  JournalWriter journal(directory, self.member());
  for (const std::string& task : failed) {
    JournalRecord retry{JournalEvent::retry, task};
    retry.time = failures.last_of(task);  // perhaps from a host whose clock is ahead
    journal.add(retry);
  }
  return failed.size();
}

std::vector<std::string> verify_folder(const std::string& directory, size_t& seen, const DoneTold& told) {
  std::vector<std::string> faults;
  const std::vector<std::string> ids = finished_tasks(directory);
  seen = ids.size();
  for (size_t i = 0; i < ids.size(); ++i) {
    told(i, ids.size());
    if (std::string fault = fault_of_result(directory, ids[i]); !fault.empty())
      faults.push_back(std::move(fault));
  }
  JournalReader journals(directory);
  journals.read_new();
  for (const std::string& fault : journals.faults()) faults.push_back(fault);
  try {
    if (path_exists(directory + "/index.h5")) check_index(directory);
    read_plan_files(directory);
  } catch (const Error& damage) {
    faults.emplace_back(damage.what());
  }
  if (seen == 0 && faults.empty())
    throw UserError(directory + " holds no results: give the folder that `apportion run` wrote to");
  std::sort(faults.begin(), faults.end());
  return faults;
}

}  // namespace apportion
