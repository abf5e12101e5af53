#!/usr/bin/env bash
# The small job on a pretended GPU (tests/support/pretend_gpu), as the program runs it: the CPU's figures, the same bytes
# again, and a reference of its own, since a GPU rounds otherwise.
tests=$(realpath "$(dirname "$0")")
source "$tests/../common.sh"

# job FOLDER PROGRAM
job() { "$2" run small.ini --train_compute_type float32 --kto_positions all --output "$1" >"$1.txt" 2>"$1.log"; }
check "the job on the CPU" job cpu "$APPORTION_BIN"
check "the job on the pretended GPU" job gpu "$APPORTION_BUILD/apportion_pretend"
check "once more" job again "$APPORTION_BUILD/apportion_pretend"

figures() { awk '/^ *(stage [12]|before|after)/ { NF -= 2; print }' "$1.txt"; }
[ "$(figures cpu | wc -l)" -ge 5 ] || fail "figures were not found in the report"
near() {
  paste -d' ' <(figures cpu) <(figures gpu) | awk '{
    half = NF / 2
    for (i = 1; i <= half; ++i) {
      same = $i == $(i + half)
      difference = $i - $(i + half); size = $i < 0 ? -$i : $i
      if (!same && (difference < 0 ? -difference : difference) > 2e-3 * (size + 0.5)) { print; exit 1 }
    }
  }'
}
check "figures near the CPU's" near
adapters() { (cd "$1" && find tasks -name adapter_model.safetensors -exec sha256sum {} + | sort); }
check "two adapters" test "$(adapters gpu | wc -l)" = 2
check "the same bytes again" test "$(adapters gpu)" = "$(adapters again)"
check "other bytes than the CPU's" test "$(adapters gpu)" != "$(adapters cpu)"
check "a reference of its own" test "$(ls gpu/reference)" != "$(ls cpu/reference)"
check "the same reference again" test "$(ls gpu/reference)" = "$(ls again/reference)"
finish
