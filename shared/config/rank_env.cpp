#include "shared/config/rank_env.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/processor_limits.h"
#include "shared/config/option.h"
#include "shared/config/version.h"

namespace apportion {
namespace {

constexpr uint64_t most_ranks = 10'000'000;

int read_integer(const EnvironmentLookup& lookup, const char* name, uint64_t low, uint64_t high) {
  const char* text = lookup(name);
  if (!text) {
    throw UserError(
        fmt::format("environment: {} is not set, though the launcher's other variables are; start with "
                    "mpirun or srun --mpi=pmix",
                    name));
  }
  uint64_t value = 0;
  if (!parse_integer(text, value) || value < low || value > high) {
    throw UserError(fmt::format("environment: {} = '{}' must be {}", name, printable(text),
                                describe(IntegerRange{low, high})));
  }
  return static_cast<int>(value);
}

/// The number of tasks on node `node`, from Slurm's form "4(x2),1".
int slurm_tasks_of_node(const std::string& tasks_per_node, int node) {
  auto fail = [&]() {
    return UserError(
        fmt::format("environment: SLURM_STEP_TASKS_PER_NODE = '{}' does not give the tasks of node {}; its "
                    "form is '4(x2),1'",
                    printable(tasks_per_node), node));
  };
  uint64_t first_of_next = 0;
  size_t begin = 0;
  while (begin <= tasks_per_node.size()) {
    size_t end = std::min(tasks_per_node.find(',', begin), tasks_per_node.size());
    std::string part = tasks_per_node.substr(begin, end - begin);
    uint64_t repeats = 1;
    if (size_t open = part.find("(x"); open != std::string::npos) {
      if (part.back() != ')' || !parse_integer(part.substr(open + 2, part.size() - open - 3), repeats))
        throw fail();
      part.resize(open);
    }
    uint64_t tasks = 0;
    if (!parse_integer(part, tasks) || tasks < 1 || tasks > most_ranks || repeats > most_ranks) throw fail();
    first_of_next += repeats;
    if (static_cast<uint64_t>(node) < first_of_next) return static_cast<int>(tasks);
    begin = end + 1;
  }
  throw fail();
}

RankEnv read_open_mpi(const EnvironmentLookup& lookup) {
  RankEnv env;
  env.launcher = Launcher::open_mpi;
  env.size = read_integer(lookup, "OMPI_COMM_WORLD_SIZE", 1, most_ranks);
  uint64_t last = static_cast<uint64_t>(env.size) - 1;
  env.rank = read_integer(lookup, "OMPI_COMM_WORLD_RANK", 0, last);
  env.local_size = read_integer(lookup, "OMPI_COMM_WORLD_LOCAL_SIZE", 1, last + 1);
  env.local_rank =
      read_integer(lookup, "OMPI_COMM_WORLD_LOCAL_RANK", 0, static_cast<uint64_t>(env.local_size) - 1);
  return env;
}

RankEnv read_slurm(const EnvironmentLookup& lookup) {
  RankEnv env;
  env.launcher = Launcher::slurm;
  const char* size_name = lookup("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  env.size = read_integer(lookup, size_name, 1, most_ranks);
  uint64_t last = static_cast<uint64_t>(env.size) - 1;
  env.rank = read_integer(lookup, "SLURM_PROCID", 0, last);
  if (const char* tasks = lookup("SLURM_STEP_TASKS_PER_NODE")) {
    env.local_size = slurm_tasks_of_node(tasks, read_integer(lookup, "SLURM_NODEID", 0, most_ranks));
  }
  env.local_rank = read_integer(lookup, "SLURM_LOCALID", 0, static_cast<uint64_t>(env.local_size) - 1);
  return env;
}

/// A process that a launcher started as one of several, but through which MPI cannot find the others;
/// `problem` stays empty for any other process.
RankEnv read_lost(const EnvironmentLookup& lookup) {
  RankEnv env;
  auto number = [&](const char* name, int otherwise) {
    return lookup(name) ? read_integer(lookup, name, 0, most_ranks) : otherwise;
  };
  const int process = number("SLURM_PROCID", 0);
  const char* tasks_name =
      lookup("SLURM_STEP_NUM_TASKS") || process == 0 ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  const int tasks = lookup("SLURM_PROCID") ? number(tasks_name, 1) : 1, others = number("PMI_SIZE", 1);
  if (tasks > 1) {
    env.rank = process;
    env.size = tasks;
    env.problem = fmt::format(
        "environment: {} = {}, but without PMIx these tasks cannot find each other; start with srun "
        "--mpi=pmix or with mpirun, and separate runs with srun -n 1 each",
        tasks_name, tasks);
  } else if (others > 1) {
    env.rank = number("PMI_RANK", 0);
    env.size = others;
    env.problem = fmt::format(
        "environment: PMI_SIZE = {}, but these processes were not started by the launcher of this program's "
        "MPI ({}) and cannot find each other; start with its mpirun, or with srun --mpi=pmix",
        others, version_info().mpi);
  }
  return env;
}

/// The number of cores in a process's affinity mask, 0 when unknown. Grows the mask until the kernel's fits.
int cores_in_mask(pid_t process) {
  for (int cpus = 1024; cpus <= (1 << 20); cpus *= 2) {
    std::vector<cpu_set_t> mask(static_cast<size_t>(cpus) / (8 * sizeof(cpu_set_t)) + 1);
    size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(process, bytes, mask.data()) == 0) return CPU_COUNT_S(bytes, mask.data());
  }
  return 0;
}

/// OMP_NUM_THREADS, or the outermost level's entry of a list. Like OpenMP, ignores text that is no number.
int most_openmp_threads(const EnvironmentLookup& lookup) {
  const char* text = lookup("OMP_NUM_THREADS");
  const std::string list = text ? text : "";
  uint64_t threads = 0;
  const bool number = parse_integer(list.substr(0, list.find(',')), threads);
  return number && threads >= 1 && threads <= 4096 ? static_cast<int>(threads) : Cores().most_threads;
}

/// Only digits: the id becomes part of a file's name.
std::string read_id(const EnvironmentLookup& lookup, const char* name) {
  return std::to_string(read_integer(lookup, name, 0, std::numeric_limits<int>::max()));
}

const char* own_environment(const char* name) { return std::getenv(name); }

}  // namespace

RankEnv read_rank_env(const EnvironmentLookup& lookup) {
  if (lookup("OMPI_COMM_WORLD_RANK") || lookup("OMPI_COMM_WORLD_SIZE")) return read_open_mpi(lookup);
  if (lookup("SLURM_PROCID") && (lookup("PMIX_RANK") || lookup("PMI_RANK"))) return read_slurm(lookup);
  return read_lost(lookup);
}

RankEnv read_rank_env() { return read_rank_env(own_environment); }

BatchJob read_batch_job(const EnvironmentLookup& lookup) {
  BatchJob job;
  if (!lookup("SLURM_JOB_ID")) return job;
  job.id = read_id(lookup, "SLURM_JOB_ID");
  if (lookup("SLURM_ARRAY_JOB_ID") && lookup("SLURM_ARRAY_TASK_ID"))
    job.id = read_id(lookup, "SLURM_ARRAY_JOB_ID") + "_" + read_id(lookup, "SLURM_ARRAY_TASK_ID");
  if (lookup("SLURM_RESTART_COUNT")) job.restarts = read_integer(lookup, "SLURM_RESTART_COUNT", 0, 1 << 30);
  if (lookup("SLURM_JOB_END_TIME")) {
    uint64_t seconds = 0;
    if (!parse_integer(lookup("SLURM_JOB_END_TIME"), seconds))
      throw UserError(fmt::format("environment: SLURM_JOB_END_TIME = '{}' must be seconds since 1970",
                                  printable(lookup("SLURM_JOB_END_TIME"))));
    job.end_time = static_cast<double>(seconds);
  }
  return job;
}

BatchJob read_batch_job() { return read_batch_job(own_environment); }

double stop_time(const BatchJob& job, double grace_s, double now) {
  if (job.end_time <= now) return 0;
  return std::max(job.end_time - grace_s, now + (job.end_time - now) / 2);
}

Cores count_cores(const RankEnv& env, const EnvironmentLookup& lookup, const std::string& root) {
  Cores cores;
  const int quota = static_cast<int>(std::clamp(processor_quota(root), 1.0, 1e6));
  cores.allowed = std::clamp(cores_in_mask(0), 1, quota);
  cores.available = cores.allowed;
  if (env.launcher == Launcher::open_mpi) {
    cores.available = std::max(cores.allowed, cores_in_mask(::getppid()));
  } else if (env.launcher == Launcher::slurm && lookup("SLURM_CPUS_PER_TASK")) {
    int cores_per_rank = read_integer(lookup, "SLURM_CPUS_PER_TASK", 1, 1 << 20);
    cores.available = std::max<int>(cores.allowed, cores_per_rank * std::min(env.local_size, 1024));
  }
  cores.available = std::min(cores.available, quota);
  cores.most_threads = most_openmp_threads(lookup);
  return cores;
}

Cores count_cores(const RankEnv& env) { return count_cores(env, own_environment); }

int threads_for_rank(const Cores& cores, int local_ranks, int requested) {
  if (requested > 0) return requested;
  const int most = std::max(1, std::min(cores.allowed, cores.most_threads));
  return std::clamp(cores.available / std::max(1, local_ranks), 1, most);
}

std::string threads_warning(const Cores& cores, int local_ranks, int requested) {
  int share = std::max(1, cores.available / std::max(1, local_ranks));
  if (cores.allowed == 1 && share > 1) {
    return fmt::format(
        "each rank is bound to one core, though {} cores are available to the {} rank(s) of this node; start "
        "with mpirun --bind-to none",
        cores.available, local_ranks);
  }
  if (requested > cores.allowed) {
    return fmt::format("threads = {} on {} allowed core(s): the threads take turns and the run is slower",
                       requested, cores.allowed);
  }
  return "";
}

}  // namespace apportion
