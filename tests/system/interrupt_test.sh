#!/usr/bin/env bash
# Ctrl-C, SIGTERM and worse: the job ends soon with one line of ours where there can be one, finished tasks stay, and
# no process is left.
source "$(dirname "$0")/common.sh"

# Never ends by itself: the untouched model is measured, then stage 1 goes on and on.
endless=(run small.ini --sft_steps 1000000)

# started NAME COMMAND...: in the background, until the first task is finished. Sets `job`.
started() {
  local name=$1
  shift
  "$@" "${endless[@]}" --output "$work/$name" >"$name.log" 2>&1 &
  job=$!
  check "$name: no task was finished" wait_for 120 result_exists "$name"
}

# ends NAME: within 5 s, with all its processes. Sets `code`.
ends() {
  check "$1: goes on" wait_for 5 bash -c "! kill -0 $job 2>/dev/null"
  code=0
  wait "$job" || code=$?
  check "$1: ended well" [ $code != 0 ]
  check "$1: a process is left" wait_for 5 no_process_left
}

# The finished task is taken as it is by the next run.
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

for signal in INT TERM; do
  started "one$signal" "$APPORTION_BIN"
  kill -$signal $job
  ends "one$signal"
  check "one$signal: exit code $code instead of 130" [ $code = 130 ]
  check "one$signal: not one line" one_line_with "one$signal.log" "finished tasks stay"
  finished_task_stays "one$signal"
done

started mpirun on_ranks 2 "$APPORTION_BIN"
kill -INT "$(launcher_of mpirun)"
ends mpirun
check "mpirun: more than one line" [ "$(grep -c '^apportion: ' mpirun.log)" -le 1 ]
finished_task_stays mpirun

started coordinator on_ranks 2 "$APPORTION_BIN"
kill -TERM "$(process_of_rank coordinator 0)"
ends coordinator
check "coordinator: not one line" one_line_with coordinator.log "finished tasks stay"

started rank on_ranks 2 "$APPORTION_BIN"
kill -TERM "$(process_of_rank rank 1)"
ends rank
check "rank: not one line that names the rank" one_line_with rank.log "rank 1: SIGTERM"

started killed on_ranks 2 "$APPORTION_BIN"
kill -KILL "$(process_of_rank killed 1)"
ends killed
finished_task_stays killed

started orphans on_ranks 2 "$APPORTION_BIN"
kill -KILL "$(launcher_of orphans)"
ends orphans

finish
