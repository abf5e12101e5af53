#!/usr/bin/env bash
# Launching as users do it: Slurm tasks without PMIx and processes of another MPI are told how to start, a job file from a
# pipe works for one process only, and ranks that are stopped and continued together lose nothing.
source "$(dirname "$0")/../common.sh"

# together NAME COMMAND...: starts four processes, each with its number in `process`; all must exit with 2, and one speaks.
together() {
  local name=$1 process jobs=() code
  shift
  for process in 0 1 2 3; do
    process=$process "$@" "$APPORTION_BIN" run small.ini --output "$work/$name" >>"$name.log" 2>&1 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do
    code=0
    wait "$job" || code=$?
    check "$name: exit code $code instead of 2" [ $code = 2 ]
  done
  check "$name: not one line" [ "$(grep -c '^apportion: ' "$name.log")" = 1 ]
  check "$name: something was run" [ ! -e "$name" ]
}
slurm() { SLURM_PROCID=$process SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 "$@"; }
other_mpi() { PMI_RANK=$process PMI_SIZE=4 "$@"; }
lost() {
  OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=$process OMPI_COMM_WORLD_LOCAL_SIZE=4 OMPI_COMM_WORLD_LOCAL_RANK=$process "$@"
}
together slurm slurm
check "slurm: no word of PMIx" grep -q "SLURM_STEP_NUM_TASKS = 4.*srun --mpi=pmix" slurm.log
together other other_mpi
check "another MPI: no word of mpirun" grep -q "PMI_SIZE = 4.*mpirun" other.log
together lost lost
check "sizes differ: no word of it" grep -q "started 4 processes, but MPI sees 1: start with the mpirun of Open MPI" lost.log
# A batch script's shell is a single process, and has these variables too.
check "in a batch script" env SLURM_PROCID=0 SLURM_NTASKS=4 "$APPORTION_BIN" run small.ini --print-config >batch.txt

code=0
on_ranks 2 "$APPORTION_BIN" run /dev/stdin --output "$work/pipe" < <(cat small.ini) >pipe.log 2>&1 || code=$?
check "a job out of a pipe on ranks: exit code $code instead of 2" [ $code = 2 ]
check "a job out of a pipe on ranks: not one line" one_line_with pipe.log "/dev/stdin is not a regular file.*2 ranks"

process_of_rank() { pgrep -f -- "--output $work/stopped" | while read -r process; do
  grep -qz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$process/environ" 2>/dev/null && echo "$process"
done; }
# Both ranks are stopped for longer than all timeouts while they keep exchanging gradients, and then continue.
on_ranks 2 "$APPORTION_BIN" run small.ini --sft_steps 1000000 --group_size 2 --silence_s 3 --timeout_s 9 \
  --checkpoint_steps 1 --output "$work/stopped" >stopped.log 2>&1 &
job=$!
checkpoint() { compgen -G "$work/stopped/tasks/*/checkpoint" >/dev/null; }
check "stopped: no training" wait_for 60 checkpoint
both=("$(process_of_rank 0)" "$(process_of_rank 1)")
kill -STOP "${both[@]}"
sleep 10
kill -CONT "${both[@]}"
sleep 4
check "stopped: the job was lost" kill -0 $job
# A rank that stops alone is missed.
kill -STOP "${both[1]}"
check "stopped: one rank is not missed" wait_for 15 bash -c "! kill -0 $job 2>/dev/null"
kill -CONT "${both[@]}" 2>/dev/null || true
code=0
wait $job || code=$?
check "stopped: exit code $code instead of 1" [ $code = 1 ]
check "stopped: not one line" one_line_with stopped.log 'rank 1'
finish
