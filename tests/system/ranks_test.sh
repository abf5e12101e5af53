#!/usr/bin/env bash
# The program under mpirun: 1, 2, 3 and 4 ranks give the same bytes as one process, with all ranks in one group and with
# tasks spread over groups. A rank that fails ends the job quickly with one line and leaves no process behind.
source "$(dirname "$0")/common.sh"

check "one process" "$APPORTION_BIN" run small.ini --output "$work/one" >one.log 2>&1
for ranks in 1 2 3 4; do
  check "$ranks ranks in one group" on_ranks $ranks "$APPORTION_BIN" run small.ini --group_size $ranks \
    --output "$work/group$ranks" >"group$ranks.log" 2>&1
  check "$ranks ranks in one group give other bytes" same_results one "group$ranks"
done
for ranks in 2 3; do
  check "$ranks ranks in several groups" on_ranks $ranks "$APPORTION_BIN" run small.ini --output "$work/spread$ranks" \
    >"spread$ranks.log" 2>&1
  check "$ranks ranks in several groups give other bytes" same_results one "spread$ranks"
done

# The comparison can fail: another seed gives the same files with different bytes.
"$APPORTION_BIN" run small.ini --seed 1 --output "$work/seed" >seed.log 2>&1
mkdir other && cp -r one/tasks other/
first=$(cd one/tasks && ls */adapter/adapter_model.safetensors | head -1)
cp "$(ls seed/tasks/*/adapter/adapter_model.safetensors | head -1)" "other/tasks/$first"
same_results one other >/dev/null 2>&1 && fail "the comparison sees no difference"

# A rank that cannot find the dataset: rank 1 starts in a folder without it.
mkdir elsewhere
sed 's|^dataset = .*|dataset = ./colours|' small.ini >relative.ini
cat >start.sh <<END
[ "\$OMPI_COMM_WORLD_RANK" = 1 ] && cd elsewhere
exec "$APPORTION_BIN" run "$work/relative.ini" --sft_steps 1000000 --group_size 3 --output "$work/failed"
END
code=0
on_ranks 3 bash start.sh >failed.log 2>&1 &
job=$!
check "no line of the failed rank" wait_for 60 grep -q '^apportion: ' failed.log
check "the job goes on after a rank failed" wait_for 30 bash -c "! kill -0 $job 2>/dev/null"
wait $job || code=$?
check "exit code $code instead of 2" [ $code = 2 ]
check "not one line that names the rank" one_line_with failed.log 'rank 1: .*colours'
check "a process is left" wait_for 10 no_process_left

# An error on all ranks is reported once, by rank 0.
code=0
on_ranks 2 "$APPORTION_BIN" run small.ini --sft_step 3 --output "$work/unknown" >unknown.log 2>&1 || code=$?
check "exit code $code instead of 2" [ $code = 2 ]
check "not one line on the unknown key" one_line_with unknown.log 'sft_steps'

# Ranks that gather the base in each pass try a few rounds together before many, also the one that has none to measure: there
# are two units. If it stayed away, the others would wait for it.
check "many rounds on ranks that gather the base" \
  on_ranks 3 timeout 120 "$APPORTION_BIN" run small.ini --method zero-shot --test_sets v2 --rounds 5000 --max_answer_tokens 2 \
  --exact_nodes 4 --subjects 1 --unit_prompts 1 --shard_size 3 --node_sharing ignored --resident never --quiet=false \
  --output "$work/many" >many.log 2>&1
check "no forecast" grep -q 's expected for 5000 rounds a subject (256 rounds of' many.log

finish
