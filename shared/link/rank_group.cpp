// MPI's start and end; see rank_group.h.
#include "shared/link/rank_group.h"

#define OMPI_SKIP_MPICXX 1  // the C interface only
#include <mpi.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "shared/base/error.h"

namespace apportion {

namespace {

void start_mpi() {
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw UserError(
        "this MPI library offers no MPI_THREAD_MULTIPLE: use a build of Open MPI or MPICH with threads");
  }
}

/// "Open MPI v4.1.4", without the details behind it.
std::string library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int size = 0;
  MPI_Get_library_version(text, &size);
  const std::string version = text;
  return version.substr(0, version.find_first_of(",\n"));
}

}  // namespace

RankGroup::RankGroup(Launch launch, int expected_size)
    : launch_(launch), exceptions_at_start_(std::uncaught_exceptions()) {
  if (launch_ == Launch::single) return;
  watch_ = std::make_unique<LauncherWatch>();
  start_mpi();
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (expected_size > 0 && size_ != expected_size) {
    MPI_Finalize();
    throw UserError("the launcher started " + std::to_string(expected_size) + " processes, but MPI sees " +
                    std::to_string(size_) + ": start with the mpirun of " + library_version() +
                    ", or with srun --mpi=pmix");
  }
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine);
  MPI_Comm_rank(machine, &local_rank_);
  MPI_Comm_size(machine, &local_size_);
  MPI_Comm_free(&machine);
}

RankGroup::~RankGroup() {
  if (launch_ == Launch::single) return;
  if (std::uncaught_exceptions() > exceptions_at_start_) abort(1);
  MPI_Finalize();
}

void RankGroup::abort(int exit_code) const {
  std::fflush(nullptr);
  // The launcher first ends the ranks with SIGTERM: let it take effect here.
  std::signal(SIGTERM, SIG_DFL);
  if (launch_ == Launch::mpi) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace apportion
