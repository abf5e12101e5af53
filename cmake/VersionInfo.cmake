# generated/version_info.h: what --version prints. Generated at each build but changed only if its content changes, and
# included by only one file (shared/config/version.cpp), so a new commit rebuilds that file and links again.
set(APPORTION_GENERATED_DIR "${CMAKE_BINARY_DIR}")

set(mpi_version "MPI ${MPI_C_VERSION}")
foreach(directory IN LISTS MPI_C_INCLUDE_DIRS)
  if(EXISTS "${directory}/mpi.h")
    file(STRINGS "${directory}/mpi.h" mpi_lines REGEX "#define OMPI_(MAJOR|MINOR|RELEASE)_VERSION ")
    if(mpi_lines)
      string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "Open MPI \\1.\\2.\\3" mpi_version "${mpi_lines}")
    endif()
  endif()
endforeach()

# Only for a build configured for CUDA: apportion_cuda in a CPU build's folder exists only to check that it links.
set(cuda_version "")
set(nccl_version "")
if(Nccl_FOUND AND APPORTION_CUDA)
  set(cuda_version "${CUDAToolkit_VERSION}")
  set(nccl_version "${Nccl_VERSION}")
endif()

add_custom_target(version_info
  BYPRODUCTS "${CMAKE_BINARY_DIR}/generated/version_info.h"
  COMMAND ${CMAKE_COMMAND}
    "-DSOURCE_DIR=${CMAKE_SOURCE_DIR}" "-DOUTPUT=${CMAKE_BINARY_DIR}/generated/version_info.h"
    "-DPROGRAM=${PROJECT_VERSION}" "-DLIBTORCH=${LibTorch_VERSION}" "-DMPI=${mpi_version}" "-DHDF5=${HDF5_VERSION}"
    "-DCUDA=${cuda_version}" "-DNCCL=${nccl_version}"
    -P "${CMAKE_SOURCE_DIR}/cmake/write_version_info.cmake"
  COMMENT "" VERBATIM)
