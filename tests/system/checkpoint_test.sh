#!/usr/bin/env bash
# A killed training task as its user sees it: the next run says where it continues, skips what is damaged with one
# line, refuses another task's state, and starts over with --force. The result is that of a run without a kill, also
# when training is held to the untouched model.
source "$(dirname "$0")/common.sh"

training=(run small.ini --method sft --test_sets heldout --sft_steps 60 --quiet=false)
saving=("${training[@]}" --checkpoint_steps 1)

# The step of the last complete checkpoint in a results folder; empty if there is none.
last_complete() {
  compgen -G "$1/tasks/*/checkpoint/step-*/COMPLETE" | sort | tail -1 | sed 's|.*/step-0*\([0-9]*\)/COMPLETE|\1|'
}

has_saved() { [ "$(last_complete "$1")" -ge 5 ] 2>/dev/null; }

# killed NAME OPTIONS...: starts a run and kills it after some checkpoints.
killed() {
  local name=$1
  shift
  "$APPORTION_BIN" "${saving[@]}" --output "$work/$name" "$@" >"$name.log" 2>&1 &
  job=$!
  check "$name: nothing was saved" wait_for 60 has_saved "$name"
  kill -KILL $job
  wait $job 2>/dev/null || true
  check "$name: there is a result" bash -c "! compgen -G '$name/tasks/*/result.h5'"
}

check "a run without a kill" "$APPORTION_BIN" "${training[@]}" --output "$work/through" >through.log 2>&1
check "checkpoints without checkpoint_steps" bash -c "! grep -q checkpoint through.log"
check "a folder of checkpoints without any" bash -c "! compgen -G 'through/tasks/*/checkpoint'"

killed one
cp -r one forced
cp -r one damaged
cp -r one mpirun
cp -r one foreign
step=$(last_complete one)
check "the next run" "$APPORTION_BIN" "${training[@]}" --output "$work/one" >one.next.log 2>&1
check "it does not say that it goes on from step $step" \
  grep -q "^stage 1: goes on from step $step of 60 (checkpoint of 1 rank)" one.next.log
check "its result is another" same_results through one

check "the next run on 2 ranks" on_ranks 2 "$APPORTION_BIN" "${saving[@]}" --group_size 2 --output "$work/mpirun" \
  >mpirun.log 2>&1
check "2 ranks do not go on" grep -q "^stage 1: goes on from step $step of 60 (checkpoint of 1 rank)" mpirun.log
check "2 ranks come to another result" same_results through mpirun

check "the forced run" "$APPORTION_BIN" "${saving[@]}" --force --output "$work/forced" >forced.log 2>&1
check "--force goes on" bash -c "! grep -q 'goes on' forced.log"
check "the forced result is another" same_results through forced

data=$(ls damaged/tasks/*/checkpoint/step-"$(printf %08d "$step")"/rank-0-of-1.bin)
printf '\xff\xff\xff\xff' | dd of="$data" bs=1 seek=4096 conv=notrunc status=none
check "the run past a damaged checkpoint" "$APPORTION_BIN" "${training[@]}" --output "$work/damaged" >damaged.log 2>&1
check "no warning that names the damaged file" \
  grep -q "^apportion: warning: stage 1: the checkpoint of step $step is skipped: .*rank-0-of-1.bin.*SHA-256" damaged.log
check "the one before is not used" grep -q "^stage 1: goes on from step $((step - 1)) of 60" damaged.log
check "the damaged one's result is another" same_results through damaged

# What holds a stage to the untouched model is not part of its state: the next run makes it again from the model and gets the
# same, even on a different number of ranks that hold it in shards, and even when the drawn answers are gone.
write_keep_list
held=(--retain_weight 1 --keep_train keep.txt --retain_prompts 3 --retain_text_every 2)
check "a held run without a kill" "$APPORTION_BIN" "${training[@]}" "${held[@]}" --output "$work/held" >held.log 2>&1
adapters() { (cd "$1" && sha256sum tasks/*/adapter/adapter_model.safetensors | cut -d' ' -f1); }
check "the hold changes nothing" [ "$(adapters held)" != "$(adapters through)" ]
killed unheld "${held[@]}"
cp -r unheld shards
rm -r shards/replay
step=$(last_complete unheld)
check "the held run goes on" "$APPORTION_BIN" "${training[@]}" "${held[@]}" --output "$work/unheld" >unheld.next.log 2>&1
check "the held run does not say that it goes on from step $step" \
  grep -q "^stage 1: goes on from step $step of 60" unheld.next.log
check "the held result is another" same_results held unheld
check "the held run goes on in shards" on_ranks 2 "$APPORTION_BIN" "${training[@]}" "${held[@]}" --group_size 2 \
  --shard_size 2 --node_sharing ignored --resident never --output "$work/shards" >shards.log 2>&1
check "shards do not go on from step $step" grep -q "^stage 1: goes on from step $step of 60" shards.log
check "shards come to another held result" same_results held shards

# All weights: the base that they are held to is read from its file, not from the trained weights in the checkpoint.
all=(--adapter none --sft_optimizer adamw --sft_learning_rate 0.002 --shard_size 1)
check "all weights, held, without a kill" "$APPORTION_BIN" "${training[@]}" "${held[@]}" "${all[@]}" \
  --output "$work/all" >all.log 2>&1
killed weights "${held[@]}" "${all[@]}"
step=$(last_complete weights)
check "all weights, held, go on" "$APPORTION_BIN" "${training[@]}" "${held[@]}" "${all[@]}" --output "$work/weights" \
  >weights.next.log 2>&1
check "all weights do not go on from step $step" grep -q "^stage 1: goes on from step $step of 60" weights.next.log
check "all weights, held, are others" same_results all weights

# One task's state in another task's folder.
killed other --seed 1
rm -r other/tasks/*/checkpoint
mv foreign/tasks/*/checkpoint other/tasks/*/
code=0
"$APPORTION_BIN" "${training[@]}" --seed 1 --output "$work/other" >other.next.log 2>&1 || code=$?
check "another task's state: exit code $code instead of 2" [ $code = 2 ]
grep -v '^apportion: warning' other.next.log >other.error.log  # about a checkpoint that was half-written at the kill
check "not one line on another task's state" one_line_with other.error.log 'is a checkpoint of task'

finish
