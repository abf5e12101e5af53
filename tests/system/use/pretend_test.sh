#!/usr/bin/env bash
# The program runs the small job on a pretend GPU (tests/support/pretend_gpu): it gets the CPU's figures, the same bytes
# each time, and its own reference, since a GPU rounds differently.
tests=$(realpath "$(dirname "$0")")
source "$tests/../common.sh"

# job FOLDER PROGRAM OPTIONS...
job() {
  local folder=$1 program=$2
  shift 2
  "$program" run small.ini --train_compute_type float32 --kto_positions all --output "$folder" "$@" >"$folder.txt" 2>"$folder.log"
}
check "the job on the CPU" job cpu "$APPORTION_BIN"
check "the job on the pretended GPU" job gpu "$APPORTION_BUILD/apportion_pretend"
check "once more" job again "$APPORTION_BUILD/apportion_pretend"

figures() { awk '/^ *(stage [12]|before|after)/ { NF -= 2; print }' "$1.txt"; }
[ "$(figures cpu | wc -l)" -ge 5 ] || fail "figures were not found in the report"
# near ONE OTHER
near() {
  paste -d' ' <(figures "$1") <(figures "$2") | awk '{
    half = NF / 2
    for (i = 1; i <= half; ++i) {
      same = $i == $(i + half)
      difference = $i - $(i + half); size = $i < 0 ? -$i : $i
      if (!same && (difference < 0 ? -difference : difference) > 2e-3 * (size + 0.5)) { print; exit 1 }
    }
  }'
}
check "figures near the CPU's" near cpu gpu
adapters() { (cd "$1" && find tasks -name adapter_model.safetensors -exec sha256sum {} + | sort); }
check "two adapters" test "$(adapters gpu | wc -l)" = 2
check "the same bytes again" test "$(adapters gpu)" = "$(adapters again)"
check "other bytes than the CPU's" test "$(adapters gpu)" != "$(adapters cpu)"
check "the same reference again" test "$(ls gpu/reference)" = "$(ls again/reference)"

# Stage 2 starts from the same stage 1, the CPU's, so the two references differ only in the device.
check "stage 1 on the CPU" job started "$APPORTION_BIN" --method sft
cp -r started started_gpu
check "stage 2 on the CPU" job started "$APPORTION_BIN"
check "stage 2 on the pretended GPU" job started_gpu "$APPORTION_BUILD/apportion_pretend"
for folder in started started_gpu; do check "one reference" test "$(find "$folder/reference" -mindepth 1 -maxdepth 1 | wc -l)" = 1; done
check "a reference of its own" test "$(ls started_gpu/reference)" != "$(ls started/reference)"

all_weights=(--adapter none --sft_optimizer adamw --sft_learning_rate 1e-4)
check "all weights on the CPU" job whole "$APPORTION_BIN" "${all_weights[@]}"
check "all weights on the pretended GPU" job whole_gpu "$APPORTION_BUILD/apportion_pretend" "${all_weights[@]}"
check "their figures near the CPU's" near whole whole_gpu
finish
