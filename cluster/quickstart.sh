#!/usr/bin/env bash
# From a bare Debian 12 to a result: installs what is missing, builds the program, runs jobs/smoke.ini.
# Running it again does only what is missing. tests/run.sh runs the tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$source_dir"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# Each step needs the one before it.
step() {
  if [ -z "$phase_failed" ]; then phase "$@"; fi
}

step "set-up" bash cluster/install-deps.sh
step "configure" cmake --preset cpu -DAPPORTION_TESTS=OFF
step "build" cmake --build build/cpu --target apportion
step "run jobs/smoke.ini" build/cpu/apportion run jobs/smoke.ini "$@"
phase_report
