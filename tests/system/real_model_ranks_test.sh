#!/usr/bin/env bash
# SmolLM2 itself, in bfloat16 where the CPU has it: one process with all cores gives the same bytes as 2, 3 and 4
# ranks in one group with fewer threads each; 3 subjects and a few steps a stage.
source "$(dirname "$0")/common.sh"

cat >real.ini <<END
dataset = gender-us-real
subjects = 3
test_sets = v2
rounds = 12
max_answer_tokens = 4
exact_nodes = 32
unit_prompts = 4
sft_steps = 3
calibrate_steps = 2
END

check "one process" "$APPORTION_BIN" run real.ini --output "$work/one" >one.log 2>&1
for ranks in 2 3 4; do
  check "$ranks ranks" on_ranks $ranks "$APPORTION_BIN" run real.ini --group_size $ranks --output "$work/group$ranks" \
    >"group$ranks.log" 2>&1
  check "$ranks ranks give other bytes" same_results one "group$ranks"
done
finish
