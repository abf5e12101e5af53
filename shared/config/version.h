// What this program was built from, for --version and for result files. The strings come from the build's
// generated/version_info.h, which defines string literals APPORTION_{VERSION, GIT_COMMIT, LIBTORCH_VERSION,
// MPI_VERSION, HDF5_VERSION, CUDA_VERSION, NCCL_VERSION}; missing ones are printed as unrecorded or not
// built.
#pragma once

#include <string>

namespace apportion {

/// Versions as text; empty: not part of this build.
struct VersionInfo {
  std::string program;     // "0.1.0"
  std::string git_commit;  // with "-dirty" when the tree differed
  std::string libtorch, mpi, hdf5, cuda, nccl;
};

const VersionInfo& version_info();

/// Several lines for people; the first is "apportion PROGRAM (COMMIT)".
std::string format_version(const VersionInfo& info);

}  // namespace apportion
