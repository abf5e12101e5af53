#!/usr/bin/env bash
# A dataset with three training wordings is trained on 120. The run says so, gives a different model than with
# frames = none, gives the same on two ranks, and still measures only the user's own wordings. If a dataset has 120, or
# nothing is trained, frames change nothing.
source "$(dirname "$0")/common.sh"

run() {
  local results=$1
  shift
  "$APPORTION_BIN" run small.ini --quiet=false --output "$work/$results" "$@" >"$results.txt" 2>"$results.log"
}
# Counts a log's lines on framed wordings.
told() { grep -c "framed wordings" "$1" || true; }
# The ids of an output's training tasks.
trained() { (cd "$1/tasks" && ls -d */adapter) | sort; }
check "frames" run framed --test_sets v2,train
check "not one line on what was added" [ "$(told framed.log)" = 1 ]
check "another line" grep -q "training adds 117 framed wordings to the dataset's 3, [1-9] of them only key words (frames = auto)" framed.log
check "no frames" run plain --test_sets v2,train --frames none
check "a line where nothing was added" [ "$(told plain.log)" = 0 ]
check "not two stages" [ "$(trained framed | wc -l)" = 2 ]
check "a stage that frames did not change" [ -z "$(comm -12 <(trained framed) <(trained plain))" ]

check "two ranks" on_ranks 2 "$APPORTION_BIN" run small.ini --output "$work/both" --test_sets v2,train >both.txt 2>both.log
check "other results on two ranks" same_results framed both

# The prompts of all measured sets: 3 subjects in the 3 wordings that are trained on, or in the 2 of v2.
asked() {
  local file
  for file in "$1"/tasks/*/result.h5; do
    [ -d "$(dirname "$file")/adapter" ] || h5dump -d /prompts "$file" | sed '1,/DATA {/d' | grep -o '"[^"]*"'
  done | sort -u
}
check "not 15 prompts measured" [ "$(asked framed | wc -l)" = 15 ]
check "other prompts measured" cmp <(asked framed) <(asked plain)

# 120 wordings, all used for training.
{
  sed '/^\[train\]/,$d' colours/templates.txt
  echo "[train]"
  for word in $(seq 60); do printf 'Colour %s of {a_thing}?\n%s colours: {thing}\n' "$word" "$word"; done
  sed -n '/^\[v2\]/,$p' colours/templates.txt
} >many.txt
mv many.txt colours/templates.txt
many=(--test_sets v2 --holdout_wordings 0)
check "120 wordings" run many "${many[@]}"
before=$(stat -c '%n %i' many/tasks/*/result.h5)
check "120 without frames" run many "${many[@]}" --frames none
check "a line on 120 wordings" [ "$(told many.log)" = 0 ]
check "a task was done again" [ "$before" = "$(stat -c '%n %i' many/tasks/*/result.h5)" ]
check "119 wordings" run fewer --test_sets v2 --holdout_wordings 1
check "another number added to 119" grep -q "training adds 1 framed wordings to the dataset's 119 " fewer.log
check "nothing is trained" run untouched --test_sets v2 --holdout_wordings 1 --method zero-shot
check "a line where nothing is trained" [ "$(told untouched.log)" = 0 ]
check "all are held out where nothing is trained" run held --test_sets v2 --holdout_wordings 20 --method zero-shot
finish
