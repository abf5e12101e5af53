#!/usr/bin/env bash
# Ctrl-C, SIGTERM, SIGUSR1 and worse, and the end of a batch job's time: the job ends quickly, with one line from the
# program if it can still print, finished tasks stay, unfinished work continues from where it stopped, and no process is
# left. slurm/requeue_test.py tests what a batch system makes of this.
source "$(dirname "$0")/common.sh"

# Never ends by itself: the untouched model is measured, then stage 1 goes on and on.
endless=(run small.ini --sft_steps 1000000)

# started NAME COMMAND...: starts it in the background and waits until the first task is finished and the next one taken.
# Sets `job`.
started() {
  local name=$1
  shift
  "$@" "${endless[@]}" --output "$work/$name" >"$name.log" 2>&1 &
  job=$!
  check "$name: no task was finished" wait_for 120 result_exists "$name"
  check "$name: stage 1 is not taken" wait_for 60 grep -qs '"stage 1"' "$name"/journal/*.log
}

# ends NAME: it must end soon, with all its processes; on a busy machine a step, or what precedes the first one, may take a
# while. Sets `code`.
ends() {
  check "$1: goes on" wait_for 30 bash -c "! kill -0 $job 2>/dev/null"
  code=0
  wait "$job" || code=$?
  check "$1: ended well" [ $code != 0 ]
  check "$1: a process is left" wait_for 10 no_process_left
}

# The next run keeps the finished task as it is.
finished_task_stays() {
  local name=$1 file before
  file=$(ls "$name"/tasks/*/result.h5 | head -1)
  before=$(stat -c %i "$file")
  check "$name: the next run" "$APPORTION_BIN" run small.ini --method zero-shot --output "$work/$name" >"$name.next.log" 2>&1
  check "$name: a finished task was done again" [ "$(stat -c %i "$file")" = "$before" ]
}

process_of_rank() { pgrep -f -- "--output $work/$1" | while read -r process; do
  grep -qz "^OMPI_COMM_WORLD_RANK=$2\$" "/proc/$process/environ" 2>/dev/null && echo "$process"
done; }

launcher_of() { ps -o ppid= -p "$(process_of_rank "$1" 1)" | tr -d ' '; }

# A run that stopped in order leaves one line and, unless it had made no step, the state of its training.
left_in_order() {
  check "$1: not one line" one_line_with "$1.log" "stopped by $2 at .*\(the start of\|step [0-9]* of 1000000\) (\?stage 1)\?; the same command goes on from there"
  step=$(sed -n 's/^apportion: .*step \([0-9]*\) of 1000000.*/\1/p' "$1.log")
  [ "${step:-0}" = 0 ] || check "$1: step $step is not saved" compgen -G "$1/tasks/*/checkpoint/step-*$step/COMPLETE" >/dev/null
}

# signalled NAME SIGNAL CODE TEXT COMMAND...: sends the signal to the process, or to mpirun.
signalled() {
  local name=$1 signal=$2 expected=$3 text=$4
  shift 4
  started "$name" "$@"
  if [ "$1" = on_ranks ]; then kill "-$signal" "$(launcher_of "$name")"; else kill "-$signal" $job; fi
  ends "$name"
  check "$name: exit code $code instead of $expected" [ $code = "$expected" ]
  left_in_order "$name" "$text"
  finished_task_stays "$name"
}

signalled one_int INT 130 Ctrl-C "$APPORTION_BIN"
signalled one_term TERM 130 SIGTERM "$APPORTION_BIN"
signalled one_usr2 USR2 85 SIGUSR2 "$APPORTION_BIN"
signalled in_slurm TERM 85 SIGTERM env SLURM_JOB_ID=7 "$APPORTION_BIN"
check "in_slurm: starts are not counted" [ -s in_slurm/slurm/restarts-7.json ]
signalled two_usr1 USR1 85 "SIGUSR1\( on rank 1\)\?" on_ranks 2 "$APPORTION_BIN"

# The run uses half of the time left, because the grace period is longer than all of it. It goes on with a stage 1 that was
# begun, as a slow machine may need that time until it gets there.
cp -r one_usr2 deadline
code=0
SLURM_JOB_ID=8 SLURM_JOB_END_TIME=$(($(date +%s) + 12)) "$APPORTION_BIN" "${endless[@]}" --output "$work/deadline" >deadline.log 2>&1 || code=$?
check "deadline: exit code $code instead of 85" [ $code = 85 ]
left_in_order deadline "the end of its job (SLURM_JOB_END_TIME)"

# A measure task keeps its units: it continues on a different number of ranks, to the same bytes as an unstopped run.
measuring=(run small.ini --method zero-shot --rounds 200 --exact_nodes 20000 --max_answer_tokens 16 --test_sets v2 --quiet=false)
"$APPORTION_BIN" "${measuring[@]}" --output "$work/units" >units.log 2>&1 &
job=$!
check "units: nothing is measured" wait_for 60 grep -q "measure before, v2 *1/6" units.log
kill -USR1 $job
ends units
check "units: exit code $code instead of 85" [ $code = 85 ]
check "units: not one line" one_line_with units.log "stopped by SIGUSR1 at unit [1-5] of 6 (before, v2); the same command"
check "units: the next run" on_ranks 2 "$APPORTION_BIN" "${measuring[@]}" --output "$work/units" >units.next.log 2>&1
check "units: measured again" grep -q "before, v2: goes on with [0-9] of [0-9] units" units.next.log
check "units: through" "$APPORTION_BIN" "${measuring[@]}" --output "$work/through" >through.log 2>&1
check "units: other results" same_results units through
check "units: what was kept stays" bash -c '! compgen -G "$1/tasks/*/checkpoint"' - units

started mpirun on_ranks 2 "$APPORTION_BIN"
kill -INT "$(launcher_of mpirun)"
ends mpirun
check "mpirun: more than one line" [ "$(grep -c '^apportion: ' mpirun.log)" -le 1 ]
finished_task_stays mpirun

started coordinator on_ranks 2 "$APPORTION_BIN"
kill -TERM "$(process_of_rank coordinator 0)"
ends coordinator
left_in_order coordinator SIGTERM

started rank on_ranks 2 "$APPORTION_BIN"
kill -TERM "$(process_of_rank rank 1)"
ends rank
left_in_order rank "SIGTERM on rank 1"

started killed on_ranks 2 "$APPORTION_BIN"
kill -KILL "$(process_of_rank killed 1)"
ends killed
finished_task_stays killed

started orphans on_ranks 2 "$APPORTION_BIN"
kill -KILL "$(launcher_of orphans)"
ends orphans

finish
