// What the start of a sweep costs a run before its first task, without a model: reading the job file,
// deciding what it leaves open, preparing its cells, and the tables of recorder and pool. Prints processor
// seconds and resident memory after each step, and a digest of all ids, which shows whether two builds plan
// the same. Usage: sweep_start_study JOB.ini [--key value ...]
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

#include "coordinator/prepared_job.h"
#include "coordinator/recorder.h"
#include "coordinator/task_pool.h"
#include "shared/base/digest.h"
#include "shared/config/command/command_line.h"
#include "shared/model/decisions.h"
#include "shared/model/recipe.h"

namespace apportion {
namespace {

double resident_mib() {
  size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

void say(const char* step) {
  const double seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  std::printf("%-12s %6.2f s %7.1f MiB\n", step, seconds, resident_mib());
}

/// Decides as a run does if its ranks have room.
void decide(std::vector<JobCell>& cells) {
  Decisions known;
  for (JobCell& cell : cells) {
    if (known.decide(cell.config)) continue;
    resolve_test_sets(cell.config);
    resolve_recipe(cell.config);
    resolve_option(cell.config, "shard_size", "1");
    resolve_option(cell.config, "recompute", "never");
    known.keep(cell.config);
  }
}

void start(int argc, const char* const* argv) {
  std::vector<const char*> words = {"apportion", "run"};
  words.insert(words.end(), argv + 1, argv + argc);
  say("beginning");
  CommandLine line = parse_command_line(static_cast<int>(words.size()), words.data());
  say("job file");
  decide(line.cells);
  say("decisions");
  const JobEnvironment environment{line.job_name};
  JobPreparer preparer(environment);
  Recorder recorder(line.config.output.directory, 1);
  SharedTasks shared;
  std::vector<PreparedJob> jobs;
  std::vector<size_t> cells;
  for (JobCell& cell : line.cells) {
    PreparedJob& job = jobs.emplace_back(preparer.prepare(cell, jobs.size()));
    const TaskList added = shared.add(std::move(job.plan.tasks), jobs.size() - 1);
    recorder.add(cell.config, {job.data, &job.data->tables}, added, cell.name);
    job.plan.tasks = {};
  }
  say("cells");
  Digest digest;
  for (const auto& task : shared.tasks) {
    digest.add(task->id);
    cells.push_back(shared.cells_of.at(task->id).front());
  }
  const TaskPool pool(std::make_shared<const TaskGraph>(shared.tasks, TaskOrder::plan, cells),
                      std::vector(shared.tasks.size(), TaskState::waiting));
  say("pool");
  std::printf("%zu cells, %zu tasks, ids %s\n", jobs.size(), shared.tasks.size(), digest.hex().c_str());
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "Usage: sweep_start_study JOB.ini [--key value ...]\n");
    return 2;
  }
  try {
    apportion::start(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
