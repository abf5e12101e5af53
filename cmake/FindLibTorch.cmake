# LibTorch from PyPI's torch wheel, unpacked by cluster/install-deps.sh. find_package(Torch) insists on a CUDA toolkit
# even for the CPU, so libraries are linked by path: LibTorch::cpu, and on top of it LibTorch::cuda.
set(LIBTORCH_SITE "${CMAKE_SOURCE_DIR}/build/deps/site" CACHE PATH "folder that holds torch/ and nvidia/")
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS "${LIBTORCH_SITE}/torch/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU torch_cpu PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10 c10 PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CUDA torch_cuda PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA c10_cuda PATHS "${LIBTORCH_SITE}/torch/lib" NO_DEFAULT_PATH)
file(GLOB LibTorch_OPENMP "${LIBTORCH_SITE}/torch/lib/libgomp*.so*" "${LIBTORCH_SITE}/torch.libs/libgomp*.so*")
if(LibTorch_INCLUDE_DIR)
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" libtorch_lines
    REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" LibTorch_VERSION "${libtorch_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU LibTorch_C10 LibTorch_OPENMP LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run cluster/install-deps.sh, or set LIBTORCH_SITE")
if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  file(GLOB libtorch_nvidia_lib_dirs "${LIBTORCH_SITE}/nvidia/*/lib")
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}")
  # at::parallel_for is defined in a header: compiled without OpenMP it is a plain loop. The OpenMP runtime is the one
  # that comes with LibTorch.
  target_compile_options(LibTorch::cpu INTERFACE -fopenmp)
  target_link_libraries(LibTorch::cpu INTERFACE "${LibTorch_CPU}" "${LibTorch_C10}" "${LibTorch_OPENMP}")
  # Programs in the build folder find the libraries here; for an installed program see Install.cmake.
  target_link_options(LibTorch::cpu INTERFACE -Wl,--allow-shlib-undefined)
  set(LibTorch_RUNTIME_DIRS "${LIBTORCH_SITE}/torch/lib" ${libtorch_nvidia_lib_dirs})
  list(APPEND CMAKE_BUILD_RPATH ${LibTorch_RUNTIME_DIRS})
  # What a program for the CPU loads: LibTorch, and the two CUDA libraries that libtorch_cpu.so names.
  set(LibTorch_CPU_RUNTIME "${LibTorch_CPU}" "${LibTorch_C10}" ${LibTorch_OPENMP})
  foreach(directory IN LISTS libtorch_nvidia_lib_dirs)
    file(GLOB libtorch_needed "${directory}/libcudart.so.*" "${directory}/libcupti.so.*")
    list(APPEND LibTorch_CPU_RUNTIME ${libtorch_needed})
  endforeach()
  # Our objects use no symbol of libtorch_cuda directly, but it must be linked: its kernels register themselves on
  # loading.
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cuda INTERFACE
    LibTorch::cpu -Wl,--push-state,--no-as-needed "${LibTorch_CUDA}" "${LibTorch_C10_CUDA}" -Wl,--pop-state)
endif()
