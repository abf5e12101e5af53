#include "shared/config/version.h"

#include <fmt/format.h>

#if __has_include("generated/version_info.h")
#include "generated/version_info.h"
#endif

// What the build does not record stays empty, and is printed as such.
#ifndef APPORTION_VERSION
#define APPORTION_VERSION ""
#endif
#ifndef APPORTION_GIT_COMMIT
#define APPORTION_GIT_COMMIT ""
#endif
#ifndef APPORTION_LIBTORCH_VERSION
#define APPORTION_LIBTORCH_VERSION ""
#endif
#ifndef APPORTION_MPI_VERSION
#define APPORTION_MPI_VERSION ""
#endif
#ifndef APPORTION_HDF5_VERSION
#define APPORTION_HDF5_VERSION ""
#endif
#ifndef APPORTION_CUDA_VERSION
#define APPORTION_CUDA_VERSION ""
#endif
#ifndef APPORTION_NCCL_VERSION
#define APPORTION_NCCL_VERSION ""
#endif

namespace apportion {

const VersionInfo& version_info() {
  static const VersionInfo info{APPORTION_VERSION,     APPORTION_GIT_COMMIT,   APPORTION_LIBTORCH_VERSION,
                                APPORTION_MPI_VERSION, APPORTION_HDF5_VERSION, APPORTION_CUDA_VERSION,
                                APPORTION_NCCL_VERSION};
  return info;
}

std::string format_version(const VersionInfo& info) {
  auto or_else = [](const std::string& text, const char* otherwise) {
    return text.empty() ? otherwise : text;
  };
  std::string text = fmt::format("apportion {} (commit {})\n", or_else(info.program, "of unrecorded version"),
                                 or_else(info.git_commit, "unrecorded"));
  text += fmt::format("LibTorch  {}\n", or_else(info.libtorch, "unrecorded"));
  text += fmt::format("MPI       {}\n", or_else(info.mpi, "unrecorded"));
  text += fmt::format("HDF5      {}\n", or_else(info.hdf5, "unrecorded"));
  text += fmt::format("CUDA      {}\n", or_else(info.cuda, "not built"));
  text += fmt::format("NCCL      {}\n", or_else(info.nccl, "not built"));
  return text;
}

}  // namespace apportion
