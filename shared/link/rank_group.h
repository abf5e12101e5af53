// The ranks of a job: MPI starts and ends here and nowhere else. Without a launcher MPI is not even
// initialised, and the one process is rank 0 of 1. link_mpi and collectives_mpi carry what the ranks say to
// each other.
#pragma once

#include <memory>

#include "shared/link/launcher_watch.h"

namespace apportion {

/// How this process was started: by itself, or by mpirun or srun (shared/config/rank_env.h finds out).
enum class Launch { single, mpi };

/// One per process; the main thread makes it, and it outlives all links and collectives.
class RankGroup {
 public:
  /// With Launch::mpi: MPI_Init_thread (collective). Throws UserError when the MPI library does not offer
  /// MPI_THREAD_MULTIPLE, which the link threads need, or sees another number of ranks than the launcher's
  /// `expected_size` (0: unknown): then the launcher is another MPI's. From here on the rank ends when its
  /// launcher is gone.
  explicit RankGroup(Launch launch, int expected_size = 0);

  /// MPI_Finalize (collective), except while an exception unwinds: since the other ranks may never get there,
  /// the job is aborted instead.
  ~RankGroup();
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  Launch launch() const { return launch_; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Among the ranks of this machine.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }

  /// Ends every rank of the job with `exit_code`, from any thread, without clean-up. Flushes output first.
  [[noreturn]] void abort(int exit_code) const;

 private:
  Launch launch_;
  std::unique_ptr<LauncherWatch> watch_;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  int exceptions_at_start_;
};

}  // namespace apportion
