# CUDA's runtime and NCCL as headers and libraries to compile and link against (host C++ only). At run time a process
# must have only one libcudart and one libnccl: those of LibTorch's wheel, if its packages are installed. So the
# wheel's NCCL (nvidia/nccl, which has libnccl.so.2 but no libnccl.so) comes before a toolkit's.
find_package(CUDAToolkit QUIET)
find_path(Nccl_INCLUDE_DIR nccl.h PATHS "${LIBTORCH_SITE}/nvidia/nccl/include" NO_DEFAULT_PATH)
find_library(Nccl_LIBRARY NAMES libnccl.so.2 nccl PATHS "${LIBTORCH_SITE}/nvidia/nccl/lib" NO_DEFAULT_PATH)
find_path(Nccl_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(Nccl_LIBRARY NAMES nccl libnccl.so.2 HINTS ${CUDAToolkit_LIBRARY_DIR})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Nccl REQUIRED_VARS Nccl_LIBRARY Nccl_INCLUDE_DIR CUDAToolkit_FOUND
  REASON_FAILURE_MESSAGE "install a CUDA 13 toolkit with NCCL, or build the preset cpu")
if(Nccl_FOUND AND NOT TARGET Nccl::nccl)
  file(STRINGS "${Nccl_INCLUDE_DIR}/nccl.h" nccl_version_lines REGEX "#define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" Nccl_VERSION "${nccl_version_lines}")
  add_library(Nccl::nccl INTERFACE IMPORTED)
  target_include_directories(Nccl::nccl SYSTEM INTERFACE "${Nccl_INCLUDE_DIR}")
  target_link_libraries(Nccl::nccl INTERFACE "${Nccl_LIBRARY}" CUDA::cudart)
endif()
