// What a rank knows before MPI starts: its place, from the launcher's environment, and the cores it may use.
// MPI itself is link/rank_group.h; nothing else reads these variables.
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
  std::string problem{};               // why this is not a rank of a job although it was started as one of
                                       // several
};

/// The batch job that this process is part of. Only Slurm's are known.
struct BatchJob {
  std::string id{};     // "123", or "120_3" for a task of an array; empty: none
  int restarts = 0;     // how often the job was restarted
  double end_time = 0;  // seconds since 1970 at which the job will be ended; 0: unknown
};

/// Looks up an environment variable; nullptr when it is not set.
using EnvironmentLookup = std::function<const char*(const char*)>;

/// OMPI_COMM_WORLD_{RANK, SIZE, LOCAL_RANK, LOCAL_SIZE} mark Open MPI's mpirun; PMIX_RANK (PMI_RANK) next to
/// SLURM_PROCID marks `srun --mpi=pmix` (or pmi2). SLURM_PROCID alone is no launcher: a batch script's own
/// shell has it too, without a step. Several tasks of a step without PMIx, or several processes of another
/// MPI's launcher (PMI_SIZE), would each be a job of its own and get in each other's way: `problem` then says
/// how to start instead, and rank and size are the launcher's so that one process speaks for all. Throws
/// UserError that names a variable that is missing or makes no sense.
RankEnv read_rank_env(const EnvironmentLookup& lookup);
/// From the process's own environment.
RankEnv read_rank_env();

/// Reads SLURM_JOB_ID (for an array SLURM_ARRAY_JOB_ID and SLURM_ARRAY_TASK_ID), SLURM_RESTART_COUNT and
/// SLURM_JOB_END_TIME. Throws UserError that names a variable that makes no sense.
BatchJob read_batch_job(const EnvironmentLookup& lookup);
BatchJob read_batch_job();

/// When a run that began at `now` has to stop: `grace_s` before the job's end, but not before half of the
/// remaining time has passed; 0: never, because the end is unknown or already past.
double stop_time(const BatchJob& job, double grace_s, double now);

struct Cores {
  int allowed = 1;    // that this process may run on
  int available = 1;  // that all ranks of this node may use together; at least `allowed`
  int most_threads = std::numeric_limits<int>::max();  // OMP_NUM_THREADS
};

/// Uses this process's affinity mask (sched_getaffinity) and the processor time of its control groups
/// (processor_quota, in whole cores, at least one). `available`: under mpirun the cores of the launcher's own
/// mask, which tells a rank bound to its part of the node from one that shares the whole node; under srun
/// with --cpus-per-task, that number times the local ranks; otherwise `allowed`. Files are read below `root`,
/// for tests.
Cores count_cores(const RankEnv& env, const EnvironmentLookup& lookup, const std::string& root = "");
Cores count_cores(const RankEnv& env);

/// `requested` when above 0; otherwise an equal part of the node's available cores: at least 1, and no more
/// than the rank may use or OMP_NUM_THREADS allows.
int threads_for_rank(const Cores& cores, int local_ranks, int requested);

/// One line for the user when the rank is bound to one core although the node has more for it (Open MPI's
/// default at 1 and 2 ranks), or when more threads were requested than cores are allowed; otherwise empty.
std::string threads_warning(const Cores& cores, int local_ranks, int requested);

}  // namespace apportion
