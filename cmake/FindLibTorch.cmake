# LibTorch from PyPI's torch wheel, unpacked by cluster/install-deps.sh. find_package(Torch) insists on a CUDA
# toolkit even for the CPU, so libraries are linked by path.
set(LIBTORCH_SITE "${CMAKE_SOURCE_DIR}/build/deps/site" CACHE PATH "folder that holds torch/ and nvidia/")
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS "${LIBTORCH_SITE}/torch/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU torch_cpu PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10 c10 PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU LibTorch_C10 LibTorch_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run cluster/install-deps.sh, or set LIBTORCH_SITE")
if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  file(GLOB libtorch_nvidia_lib_dirs "${LIBTORCH_SITE}/nvidia/*/lib")
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}")
  target_link_libraries(LibTorch::cpu INTERFACE "${LibTorch_CPU}" "${LibTorch_C10}")
  target_link_options(LibTorch::cpu INTERFACE
    -Wl,--allow-shlib-undefined
    "LINKER:-rpath,${LIBTORCH_SITE}/torch/lib")
  foreach(directory IN LISTS libtorch_nvidia_lib_dirs)
    target_link_options(LibTorch::cpu INTERFACE "LINKER:-rpath,${directory}")
  endforeach()
endif()
