# How each kind of test is built and run: time limit, label, and failure when it ran nothing. tests/CMakeLists.txt
# lists the files.

set(ran_nothing "0 tests from 0 test suites|Ran 0 tests|NO TESTS RAN|Failed to match any benchmarks")

# apportion_support(NAME LIBRARY SOURCES...): a library for several tests; an empty one if there are no sources.
function(apportion_support name library)
  if(ARGN)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PUBLIC ${library})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${library})
  endif()
endfunction()

# apportion_unit_tests(NAME SECONDS SOURCES...): one binary, started in the source folder. Each of its suites is a test
# of ctest (not each test, as loading LibTorch takes longer than most tests) and runs on one thread unless a test sets
# more, as ctest runs several at a time. Under a sanitizer each half of the binary is one test.
function(apportion_unit_tests name seconds)
  if(NOT ARGN)
    message(FATAL_ERROR "${name} has no sources")
  endif()
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gtest_main GTest::gmock)
  if(APPORTION_SANITIZE)
    foreach(half RANGE 1)
      add_test(NAME ${name}/${half} COMMAND ${name} --gtest_brief=1 --gtest_filter=-${not_sanitized}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
      set_tests_properties(${name}/${half} PROPERTIES TIMEOUT 600 FAIL_REGULAR_EXPRESSION "${ran_nothing}"
        ENVIRONMENT "GTEST_TOTAL_SHARDS=2;GTEST_SHARD_INDEX=${half};LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/leaks.supp")
    endforeach()
    return()
  endif()
  set(properties TIMEOUT ${seconds} LABELS unit FAIL_REGULAR_EXPRESSION "${ran_nothing}" ENVIRONMENT OMP_NUM_THREADS=1)
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake)
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/list_suites.cmake)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM BYPRODUCTS ${list}
    COMMAND ${CMAKE_COMMAND} -DBINARY=$<TARGET_FILE:${name}> -DNAME=${name} -DOUTPUT=${list} "-DPROPERTIES=${properties}"
      -DWORKING_DIRECTORY=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/cmake/list_suites.cmake)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake
    "if(EXISTS ${list})\n  include(${list})\nelse()\n  add_test(${name}_is_not_built false)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake)
endfunction()

# apportion_rank_test(SOURCE): one binary, run by mpirun on 1, 2, 3 and 4 ranks; with more than one rank no other test
# runs at the same time. The test itself compares its world with APPORTION_EXPECT_RANKS. tests/ranks/shared links no
# Torch.
function(apportion_rank_test source)
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/ranks OUTPUT_VARIABLE path)
  string(REGEX REPLACE "_test\\.cpp$" "" name "ranks/${path}")
  string(MAKE_C_IDENTIFIER ${name} target)
  add_executable(${target} ${source} ${CMAKE_SOURCE_DIR}/tests/support/mpi_main.cpp)
  target_link_libraries(${target} PRIVATE test_support coordinator GTest::gtest GTest::gmock MPI::MPI_C)
  if(path MATCHES "^(worker/|apportion_)")
    target_link_libraries(${target} PRIVATE worker_test_support test_support worker)
    share_torch_pch(${target})
  endif()
  foreach(ranks RANGE 1 4)
    add_test(NAME ${name}/${ranks}
      COMMAND ${MPIEXEC_EXECUTABLE} --oversubscribe --bind-to none -n ${ranks} $<TARGET_FILE:${target}>)
    # mpirun's own limit comes first, as it ends its ranks, while ctest's would leave them behind.
    set_tests_properties(${name}/${ranks} PROPERTIES TIMEOUT 200 LABELS ranks
      FAIL_REGULAR_EXPRESSION "${ran_nothing}"
      ENVIRONMENT "APPORTION_EXPECT_RANKS=${ranks};MPIEXEC_TIMEOUT=180;OMP_NUM_THREADS=1;${script_environment}")
    if(ranks GREATER 1)
      set_tests_properties(${name}/${ranks} PROPERTIES RUN_SERIAL TRUE)
    endif()
  endforeach()
endfunction()

# apportion_script_test(SCRIPT [NAME]): runs a .sh or .py with the program's path in APPORTION_BIN. A Python script
# that imports a peer runs in the tests' virtual environment and has the label peers. Scripts in conformance/ and in
# the list side_by_side share the machine with other tests, on one thread each: they spend much of their time on one
# thread anyway. They start first, being the longest of those that run side by side. The other scripts have the machine
# to themselves.
function(apportion_script_test script)
  cmake_path(GET script STEM stem)
  cmake_path(GET script PARENT_PATH folder)
  cmake_path(GET folder FILENAME folder)
  set(name ${folder}/${stem})
  if(ARGN)
    set(name ${ARGN})
  endif()
  set(labels ${folder})
  set(interpreter bash)
  if(script MATCHES "\\.py$")
    set(interpreter ${Python3_EXECUTABLE})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
    file(STRINGS ${script} peers
      REGEX "^ *(import|from) +(torch|transformers|tokenizers|peft|trl|h5py|pandas|numpy|gguf|safetensors)")
    if(peers OR script MATCHES "/tests/conformance/")
      set(interpreter ${peers_python})
      list(APPEND labels peers)
    endif()
  endif()
  add_test(NAME ${name} COMMAND ${interpreter} ${script})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200 LABELS "${labels}"
    FAIL_REGULAR_EXPRESSION "${ran_nothing}" ENVIRONMENT "${script_environment}")
  if(script MATCHES "/tests/conformance/" OR name IN_LIST side_by_side)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT OMP_NUM_THREADS=1)
    set_property(TEST ${name} PROPERTY COST 30)
  else()
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# apportion_fuzzer(SOURCE): NAME_fuzz.cpp, a program that libFuzzer drives; as a test it runs for a minute from its
# corpus. Inputs worth keeping go into the build's folder, and failing inputs next to them.
function(apportion_fuzzer source)
  cmake_path(GET source STEM name)
  string(REGEX REPLACE "_fuzz$" "" noun ${name})
  cmake_path(GET source PARENT_PATH folder)
  add_executable(${name} ${source})
  add_dependencies(fuzzers ${name})
  target_link_libraries(${name} PRIVATE fuzz_input)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set(dictionary)
  if(EXISTS ${folder}/${noun}.dict)
    set(dictionary -dict=${folder}/${noun}.dict)
  endif()
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/found/${noun})
  add_test(NAME fuzz/${noun} COMMAND ${name} -max_total_time=60 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512
    -print_final_stats=1 -artifact_prefix=${noun}- ${dictionary} found/${noun} ${folder}/corpus/${noun})
  set_tests_properties(fuzz/${noun} PROPERTIES TIMEOUT 300 LABELS fuzz)
endfunction()

# apportion_gpu_program(NAME SOURCES...): built only on request, with the worker for CUDA; tests/gpu/run.sh runs it.
function(apportion_gpu_program name)
  add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
  target_link_libraries(${name} PRIVATE worker_test_support test_support worker_cuda coordinator GTest::gtest GTest::gmock
    MPI::MPI_C)
  share_torch_pch(${name})
endfunction()

# apportion_bench(SOURCE): a Google Benchmark program. ctest only checks that it runs: all of it or what the pattern
# NAME_smoke matches, and with --long also what NAME_long matches. Benches with their own main, which starts MPI, are
# in the list rank_benches and run on two ranks.
function(apportion_bench source)
  cmake_path(GET source STEM name)
  set(launcher)
  if(name IN_LIST rank_benches)
    set(launcher ${MPIEXEC_EXECUTABLE} --oversubscribe --bind-to none -n 2)
  endif()
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE worker_test_support test_support worker coordinator
    benchmark::benchmark benchmark::benchmark_main)
  target_compile_options(${name} PRIVATE -O2)
  share_torch_pch(${name})
  set(short_pattern ".")
  if(${name}_smoke)
    set(short_pattern "${${name}_smoke}")
  endif()
  set(long_pattern "${${name}_long}")
  foreach(form short long)
    if(NOT ${form}_pattern)
      continue()
    endif()
    set(test bench/${name})
    set(labels bench)
    if(form STREQUAL "long")
      string(APPEND test _long)
      list(APPEND labels long)
    endif()
    add_test(NAME ${test}
      COMMAND ${launcher} $<TARGET_FILE:${name}> --benchmark_min_time=0.01 "--benchmark_filter=${${form}_pattern}")
    set_tests_properties(${test} PROPERTIES TIMEOUT 300 RUN_SERIAL TRUE LABELS "${labels}"
      FAIL_REGULAR_EXPRESSION "${ran_nothing}" ENVIRONMENT "${script_environment}")
  endforeach()
endfunction()
