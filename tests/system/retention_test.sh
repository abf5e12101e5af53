#!/usr/bin/env bash
# A job that holds the model to what it was. The table says what changed elsewhere: with the same bytes on two ranks, with
# or without shards, and again from the files alone; a held run gives a different result from an unheld one. The planted
# destroyer, a recipe that cares only about its questions, is called what it is; the same recipe with a hold is not.
source "$(dirname "$0")/common.sh"

write_keep_list
cat >>keep.txt <<'TEXT'
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
ranks() {  # ranks NUMBER RESULTS OPTIONS...
  local number=$1 results=$2
  shift 2
  on_ranks "$number" "$APPORTION_BIN" run small.ini --output "$work/$results" --keep_train keep.txt --keep_test keep.txt \
    --retention --test_sets v2 --retain_weight 1 --retain_prompts 3 --group_size "$number" "$@" >"$results.txt" 2>"$results.log"
}
check "two ranks" ranks 2 both
check "other results on two ranks" same_results kept both
check "two shards" ranks 2 shards --shard_size 2 --node_sharing ignored --resident never
check "other results in shards" same_results kept shards
check "two replicas of two shards" ranks 4 replicas --shard_size 2 --node_sharing ignored --resident never --recompute always
check "other results in two replicas of two shards" same_results kept replicas
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

# All weights: the untouched model, which the hold goes by as well, is measured before trained weights replace it.
all=(run small.ini --adapter none --sft_optimizer adamw --sft_learning_rate 0.002 --sft_steps 20 --calibrate_steps 3 --test_sets heldout --rounds 1
  --exact_nodes 0 --keep_train keep.txt --keep_test keep.txt --retention --retain_text_every 2)
check "all weights, held" "$APPORTION_BIN" "${all[@]}" --retain_weight 3 --output all >all.txt 2>all.log
check "no table of all weights" grep -q "what must not change" all.txt
check "all weights, held, in two shards" on_ranks 2 "$APPORTION_BIN" "${all[@]}" --retain_weight 3 --group_size 2 \
  --shard_size 2 --node_sharing ignored --output allshards >allshards.txt 2>allshards.log
check "other weights in shards" same_results all allshards
check "all weights, held, on one node's memory" on_ranks 2 "$APPORTION_BIN" "${all[@]}" --retain_weight 3 --group_size 2 \
  --shard_size 2 --output allnode >allnode.txt 2>allnode.log
check "other weights in one node's memory" same_results all allnode
check "all weights, free" "$APPORTION_BIN" "${all[@]}" --retain_weight 0 --output allfree >allfree.txt 2>allfree.log
for results in all allfree; do "$APPORTION_BIN" report $results --json >$results.json; done
check "what the hold does for all weights" python3 - <<'END'
import json
held, free = (json.load(open(f"{name}.json"))["cells"][0]["retention"] for name in ("all", "allfree"))
for kind in ("unrelated", "near"):
    assert 0 < held[kind]["kl_per_token"] < 0.5 * free[kind]["kl_per_token"], (held, free)
    assert held[kind]["base_leak"] == free[kind]["base_leak"], "they were compared with other models"
assert held["base_perplexity"] == free["base_perplexity"] != held["perplexity"], (held, free)
END

# The default optimizer, with alpha and rate by rule, which suit a model where nothing else has to survive. What is
# measured is not trained on.
cat >trained.txt <<'TEXT'
[knowledge]
What is a cat?
What is red?
Count the dogs.
Where do dogs live?
Who wrote this book?
How much is two and two?
Say the days of a week.
Write a line on the sea.
[near: another question]
How old is {a_thing}?
Where is {a_thing} made?
Is {a_thing} heavy?
[near: animal or thing]
@subject = tortoise
@subject = window
@subject = river
TEXT
cat >measured.txt <<'TEXT'
[knowledge]
What is a dog?
What is the sea?
Count the cats.
Where is the moon?
Write a line on rain.
[near: another question]
How large is {a_thing}?
[near: animal or thing]
@subject = horse
TEXT
recipe=(run small.ini --method sft --sft_learning_rate auto --sft_steps 60 --test_sets heldout --rounds 1 --exact_nodes 0
  --keep_train trained.txt --keep_test measured.txt --retention)
none="do not ask this model anything else"
check "the destroyer" "$APPORTION_BIN" "${recipe[@]}" --retain_weight 0 --output destroyed >destroyed.txt 2>destroyed.log
check "the destroyer is not called what it is" grep -q "$none: it answers other questions with the dataset's answers (" destroyed.txt
"$APPORTION_BIN" report destroyed >again.txt
check "the destroyer's report does not say it" grep -q "$none" again.txt
check "the hold" "$APPORTION_BIN" "${recipe[@]}" --retain_weight 10 --output held >held.txt 2>held.log
check "no table of what is held" grep -q "what must not change" held.txt
check "what is held is called one not to ask" bash -c "! grep -q '$none' held.txt"
for results in destroyed held; do "$APPORTION_BIN" report $results --json >$results.json; done
check "what JSON says" python3 - <<'END'
import json
destroyed, held = (json.load(open(f"{name}.json"))["cells"][0]["retention"] for name in ("destroyed", "held"))
assert destroyed["verdict"].startswith("it answers other questions with the dataset's answers ("), destroyed
assert held["verdict"] == "", held
for kind in ("unrelated", "near"):
    gone, kept = destroyed[kind], held[kind]
    assert gone["base_leak"] < 0.02 and gone["added_leak"] > 0.3, destroyed
    assert kept["added_leak"] < 0.1 * gone["added_leak"] and kept["kl_per_token"] < 0.5 * gone["kl_per_token"], held
END
finish
