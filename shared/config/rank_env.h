// What is known of this rank before MPI starts: its place in the launcher's environment, and the cores that
// it may use. MPI itself is link/rank_group.h; nothing else reads these variables.
#pragma once

#include <functional>
#include <limits>
#include <string>

namespace apportion {

/// Who started this process. `none`: it is alone, started by hand.
enum class Launcher { none, open_mpi, slurm };

struct RankEnv {
  Launcher launcher = Launcher::none;
  int rank = 0, size = 1;              // in the world
  int local_rank = 0, local_size = 1;  // among the ranks of this node
  std::string problem{};               // why this is no rank of a job though it was started as one of several
};

/// The batch system's job that this process is part of. Only Slurm's is known.
struct BatchJob {
  std::string id{};     // "123", or of an array's task "120_3"; empty: there is none
  int restarts = 0;     // how often the job was started again
  double end_time = 0;  // seconds since 1970 at which it will be ended; 0: not known
};

/// Looks up an environment variable; nullptr when it is not set.
using EnvironmentLookup = std::function<const char*(const char*)>;

/// Open MPI's mpirun is known by OMPI_COMM_WORLD_{RANK, SIZE, LOCAL_RANK, LOCAL_SIZE}; `srun --mpi=pmix` (or
/// pmi2) by PMIX_RANK (PMI_RANK) beside SLURM_PROCID. SLURM_PROCID alone is no launcher: a batch script's own
/// shell has it too, without a step. Several tasks of a step without PMIx, or several processes of another
/// MPI's launcher (PMI_SIZE), would each be a job of its own and get in each other's way: `problem` says how
/// to start instead, and rank and size are the launcher's, so that one speaks for all. Throws UserError that
/// names a variable that is missing or senseless.
RankEnv read_rank_env(const EnvironmentLookup& lookup);
/// From the process's own environment.
RankEnv read_rank_env();

/// From SLURM_JOB_ID, of an array SLURM_ARRAY_JOB_ID and SLURM_ARRAY_TASK_ID, SLURM_RESTART_COUNT and
/// SLURM_JOB_END_TIME. Throws UserError that names a variable that is senseless.
BatchJob read_batch_job(const EnvironmentLookup& lookup);
BatchJob read_batch_job();

/// When a run that began at `now` has to stop: `grace_s` before the job's end, and not before half of the
/// time that was left is over; 0: never, because no end is known, or it has passed already.
double stop_time(const BatchJob& job, double grace_s, double now);

struct Cores {
  int allowed = 1;    // that this process may run on
  int available = 1;  // that all ranks of this node may use together; at least `allowed`
  int most_threads = std::numeric_limits<int>::max();  // OMP_NUM_THREADS
};

/// From this process's affinity mask (sched_getaffinity) and the processor time of its control groups
/// (processor_quota, whole cores of it, of which a group has at least one). `available` is, under mpirun, the
/// launcher's own mask, which tells a rank bound to its part of the node from a rank that shares the whole
/// node; under srun with
/// --cpus-per-task it is that times the local ranks; else `allowed`. Files are read below `root`, for tests.
Cores count_cores(const RankEnv& env, const EnvironmentLookup& lookup, const std::string& root = "");
Cores count_cores(const RankEnv& env);

/// `requested` when it is above 0, else an equal part of the node's available cores, at least 1 and not more
/// than the rank is allowed to use or than OMP_NUM_THREADS says.
int threads_for_rank(const Cores& cores, int local_ranks, int requested);

/// One line for the user when the rank is bound to one core though the node has more for it (Open MPI binds
/// so by default at 1 and 2 ranks) or when more threads than allowed cores were requested; else empty.
std::string threads_warning(const Cores& cores, int local_ranks, int requested);

}  // namespace apportion
