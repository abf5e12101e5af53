#!/usr/bin/env bash
# A model without a file: `model = shape:...` runs end to end on synthetic weights. One rank and two give the same
# results, the vocabulary may be smaller or larger than the tokenizer's, and mistakes give one line.
source "$(dirname "$0")/common.sh"

tiny=shape:layers=2,width=64,heads=4,kv_heads=2,ffn=96,context=512

run() {
  local results=$1 model=$2
  shift 2
  "$@" "$APPORTION_BIN" run small.ini --output "$work/$results" --model "$model" --max_answer_tokens 4
}

check "a run on a small vocabulary" run small "$tiny,vocabulary=1000,tied=true" >small.txt 2>small.log
check "the same on two ranks" run two "$tiny,vocabulary=1000,tied=true" on_ranks 2 >two.txt 2>two.log
check "other results on two ranks" same_results small two
check "a run on a large vocabulary" run large "$tiny,vocabulary=60000" >large.txt 2>large.log
check "results" result_exists large

# The id depends on the sizes, not on how they are written.
tasks() { (cd "$1/tasks" && ls); }
check "another spelling of the same sizes" run again "shape:vocabulary=1000,tied=true,${tiny#shape:},head_dim=16" >again.txt 2>again.log
check "another id for another spelling" [ "$(tasks small)" = "$(tasks again)" ]
check "one id for two shapes" [ "$(tasks small)" != "$(tasks large)" ]

sed -i /quiet/d small.ini
check "a run that may speak" run said "$tiny,vocabulary=1000" >said.txt 2>said.log
check "no word on the weights" grep -q "synthetic weights; tokens are smollm2's, modulo the vocabulary of 1000" said.log

code=0
run wrong shape:llama-3.1-80b >wrong.txt 2>wrong.log || code=$?
check "exit code $code instead of 2" [ $code = 2 ]
check "not one line on the name" one_line_with wrong.log "the nearest is llama-3.1-8b"
code=0
run wrong "$tiny,kv_heads=3" on_ranks 2 >wrong.txt 2>wrong.log || code=$?
check "exit code $code instead of 2 on two ranks" [ $code = 2 ]
check "not one line on the heads" one_line_with wrong.log "gives kv_heads twice"

# A plan is printed once on any number of ranks; an unknown machine gives one line and exit code 2.
check "a plan" "$APPORTION_BIN" plan --model shape:llama-3.1-70b --plan_ranks 8,64 >plan.txt 2>plan.log
check "a plan without its answer" grep -q "^fewest ranks that fit: [0-9]" plan.txt
check "the plan of a job on two ranks" on_ranks 2 "$APPORTION_BIN" plan small.ini --plan_machine cpu --plan_ranks 1,2 >two_plan.txt 2>two_plan.log
check "a plan printed twice" [ "$(grep -c "^fewest ranks" two_plan.txt)" = 1 ]
code=0
"$APPORTION_BIN" plan --plan_machine h1000 >wrong_plan.txt 2>wrong_plan.log || code=$?
check "exit code $code instead of 2 for the machine" [ $code = 2 ]
check "not one line on the machine" one_line_with wrong_plan.log "the nearest is h100-80"

finish
