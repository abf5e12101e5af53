#!/usr/bin/env bash
# A job that holds the model to what it was: the table says what changed elsewhere, in the same bytes on two ranks, again
# from the files alone, and what is kept is another result than what is not.
source "$(dirname "$0")/common.sh"

cat >keep.txt <<'TEXT'
[knowledge]
What is a cat?
What is red?
Count the dogs.
[near: another question]
How old is {a_thing}?
[near: animal or thing]
@subject = tortoise
[near: another country]
@country = Japan
TEXT
run() {
  local results=$1
  shift
  "$APPORTION_BIN" run small.ini --output "$work/$results" --keep_train keep.txt --keep_test keep.txt --retention \
    --test_sets v2 "$@" >"$results.txt" 2>"$results.log"
}
check "kept" run kept --retain_weight 1 --retain_prompts 3
check "no table of what must not change" grep -q "what must not change" kept.txt
check "no row of near misses" grep -qE "near misses +[0-9]+ " kept.txt
check "a column that the dataset has not" bash -c '! grep -q "another country" kept.txt'
check "no perplexity" grep -q "plain text: perplexity [0-9]" kept.txt
check "two ranks" on_ranks 2 "$APPORTION_BIN" run small.ini --output "$work/both" --keep_train keep.txt \
  --keep_test keep.txt --retention --test_sets v2 --retain_weight 1 --retain_prompts 3 >both.txt 2>both.log
check "other results on two ranks" same_results kept both
check "not kept" run free --retain_weight 0
trained() { (cd "$1/tasks" && ls -d */adapter) | sort; }
check "a stage that retention did not change" [ -z "$(comm -12 <(trained kept) <(trained free))" ]
"$APPORTION_BIN" report kept >again.txt
check "another table from the files" cmp <(grep -A9 "what must not" kept.txt) <(grep -A9 "what must not" again.txt)
"$APPORTION_BIN" report kept --json >kept.json
check "no retention in JSON" grep -q '"kl_per_token"' kept.json
check "a list that is not there was taken" bash -c '! "$APPORTION_BIN" run small.ini --output none --keep_test no-such --retention >none.txt 2>none.err'
check "not one line on it" grep -q "no-such" none.err
check "something half-written" [ ! -e none/index.h5 ]
finish
