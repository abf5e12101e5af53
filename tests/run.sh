#!/usr/bin/env bash
# Sets up what is missing, builds the tests and runs them all through ctest; prints how many seconds each phase took.
#   bash tests/run.sh            everything
#   bash tests/run.sh --quick    without what needs Python peers, benches, sanitizers and clang-tidy
#   bash tests/run.sh --long     also the tests labelled long, the long forms of some (APPORTION_LONG), and fuzzers
#   bash tests/run.sh REGEX      only set-up, build and the suites and scripts whose name matches (ctest -R); also with --quick or --long
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cluster/common.sh"
cd "$source_dir"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
build=build/cpu
jobs="$(nproc)"

quick=""
long=""
pattern=""
for argument in "$@"; do
  case "$argument" in
    --quick) quick=yes ;;
    --long) long=yes && export APPORTION_LONG=1 ;;
    -*) fail "usage: bash tests/run.sh [--quick] [--long] [REGEX]" ;;
    *) pattern="$argument" ;;
  esac
done

check_format() {
  find apportion.cpp shared worker coordinator tests \( -name '*.cpp' -o -name '*.h' \) -print0 |
    xargs -0 clang-format --dry-run --Werror
}

run_tests() {
  local options=(--test-dir "$build" --output-on-failure --no-tests=error -j "$jobs") left_out=""
  if [ -n "$quick" ]; then left_out="peers|bench"; fi
  if [ -z "$long" ]; then left_out="${left_out:+$left_out|}long"; fi
  if [ -n "$left_out" ]; then options+=(-LE "$left_out"); fi
  if [ -n "$pattern" ]; then options+=(-R "$pattern"); fi
  ctest "${options[@]}"
}

# Memory errors and undefined behaviour in shared, coordinator and the in-memory links, then data races in those that use
# threads. The preset compiles several files of the libraries together, which takes a third of the time and fails where two
# of them use a name for different things.
sanitize() {
  cmake --preset "$1" >/dev/null
  if ! cmake --build "build/$1" --target unit_shared; then
    echo "build/$1: files could not be compiled together (see above); compiling each by itself"
    cmake --preset "$1" -DCMAKE_UNITY_BUILD=OFF >/dev/null
    cmake --build "build/$1" --target unit_shared
  fi
  ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j "$jobs" -R '^unit_shared/'
}

# Fuzzes the readers of files that anyone may have made, a minute each.
fuzz() {
  cmake --preset fuzz >/dev/null
  cmake --build build/fuzz --target fuzzers
  ctest --test-dir build/fuzz --output-on-failure --no-tests=error -j "$jobs" -R '^fuzz/'
}

# Files count as changed since the branch left origin/main, or, on or without that, since the commit before HEAD.
tidy() {
  local base
  base="$(git merge-base HEAD origin/main 2>/dev/null || true)"
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then base=HEAD~; fi
  python3 tests/tidy.py "$build" "$base"
}

# Compiles and links the CUDA forms if there is a toolkit; there is no GPU to run them on.
build_cuda() {
  if ninja -C "$build" -t query apportion_cuda >/dev/null 2>&1; then
    cmake --build "$build" --target apportion_cuda logits_dump_cuda collectives_nccl_test
  else
    echo "no CUDA toolkit with NCCL here: the CUDA forms were not compiled"
  fi
}

phase "set-up" bash cluster/install-deps.sh --tests
if [ -z "$quick" ]; then phase "set-up of Python peers" bash tests/conformance/make_venv.sh; fi
if [ -z "$phase_failed" ]; then phase "configure" cmake --preset ci; fi
if [ -z "$phase_failed" ]; then phase "build" cmake --build "$build" -j "$jobs"; fi
if [ -z "$phase_failed" ]; then
  if [ -z "$pattern" ]; then phase "clang-format" check_format; fi
  phase "tests" run_tests
  if [ -z "$pattern" ]; then phase "CUDA build" build_cuda; fi
  if [ -z "$pattern$quick" ]; then
    phase "address sanitizer" sanitize asan
    phase "thread sanitizer" sanitize tsan
    phase "clang-tidy" tidy
    if [ -n "$long" ]; then phase "fuzzers" fuzz; fi
  fi
fi
phase_report
