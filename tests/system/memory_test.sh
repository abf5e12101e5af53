#!/usr/bin/env bash
# A memory limit per rank (ulimit -d) that a whole base does not fit in. A base shared by four ranks fits, whether the
# program chose that or was asked to, and so does one that is read again for each use. What cannot fit is refused before
# it is loaded; a rank that runs out anyway is named in one line. Ranks behave as if on separate machines. Then many
# rounds of a model that says something new nearly each time: the run says beforehand how long they will take, takes turns
# to stay within a memory limit, and lists answers up to a limit and counts the rest, with the same bytes on any ranks.
source "$(dirname "$0")/common.sh"

shape=shape:layers=12,width=768,heads=12,kv_heads=4,ffn=2304,vocabulary=8192,context=512 # 85 M weights a base, 340 MB
limit_kib=445000

limited() {
  local results=$1
  shift
  on_ranks 4 bash -c "ulimit -d $limit_kib && exec \"\$@\"" limited "$APPORTION_BIN" run small.ini \
    --output "$work/$results" --model "$shape" --method sft --test_sets v2 --train_compute_type float32 \
    --sft_steps 1 --batch_prompts 2 --micro_batches 2 --subjects 1 --rounds 3 --max_answer_tokens 2 --exact_nodes 0 \
    --node_sharing ignored --resident never "$@"
}
fails() {
  local code=$1 got=0
  shift
  "$@" || got=$?
  [ "$got" = "$code" ] || fail "exit code $got instead of $code"
}

check "four ranks that share" limited shared --shard_size 4 >shared.txt 2>shared.log
check "results" result_exists shared
check "a layout that the program finds" limited found >found.txt 2>found.log
check "other results" same_results shared found
config_of() { h5dump -a "/config/$2" "$(compgen -G "$1/tasks/*/result.h5" | head -1)" | grep '(0)'; }
check "a layout that is not recorded" grep -q '"[24]"' <(config_of found shard_size)

check "a base left where it came from" limited left --shard_size 1 --base_place file >left.txt 2>left.log
check "other results of what was left" same_results shared left

check "a base that cannot fit" fails 2 limited refused --shard_size 1 >refused.txt 2>refused.log
check "not one line on what is needed" one_line_with refused.log "does not fit: a rank needs .* GiB with shard_size = 1"
check "no word on what would be right" grep -q "shard_size = auto" refused.log
check "all of it whatever is shared" fails 2 limited none --lora_rank 2048 >none.txt 2>none.log
check "not one line on the least" one_line_with none.log "with shard_size = 4 and recompute = always"
check "memory that runs out" fails 1 limited out --shard_size 1 --recompute never >out.txt 2>out.log
check "not one line on the rank" one_line_with out.log "rank [0-3]: out of memory: .* MiB for a tensor could not"
limit_kib=520000
no_thread() { (ulimit -s 32768 && limited "$@"); }  # too little is left then for another thread's stack
check "no thread to be had either" fails 1 no_thread full --shard_size 1 --recompute never >full.txt 2>full.log
check "not one line on that rank" one_line_with full.log "rank [0-3]: out of memory: .* MiB for a tensor could not"

measure() {
  local results=$1
  shift
  "$@" "$APPORTION_BIN" run small.ini --output "$work/$results" --method zero-shot --test_sets v2 --subjects 2 \
    --rounds 40000 --max_answer_tokens 3 --exact_nodes 4 --quiet=false
}
within() { bash -c "ulimit -d $1 && shift && exec \"\$@\"" within "$@"; }
result_of() { compgen -G "$1/tasks/*/result.h5"; }
# The numbers of a dataset, one per line.
numbers() { h5dump -y -w 1 -d "$2" "$1" | sed -n '/DATA {/,/}/p' | grep -o '[0-9]\+'; }
sum() { awk '{ all += $1 } END { printf "%d", all }'; }

check "many rounds" measure many within 400000 >many.txt 2>many.log
check "no word on what they take" grep -q "about [0-9]* s expected for 40000 rounds a subject" many.log
file=$(result_of many)
check "a layout without answers that are not listed" grep -q ': 3$' <(h5dump -a /version "$file")
listed=$(numbers "$file" /answers/count | wc -l) unlisted=$(numbers "$file" /rounds/unlisted | sum)
check "more than 10,000 answers a subject: $listed" test "$listed" -le 20000
check "few rounds beyond: $unlisted" test "$unlisted" -gt 1000
check "rounds that nobody counted" test "$(numbers "$file" /rounds/counts | sum)" = 80000
check "counts that do not add" test $((unlisted + $(numbers "$file" /answers/count | sum))) = 80000
check "answers beyond without a number" test "$(numbers "$file" /rounds/unlisted_answers | sum)" -gt 1000

check "three ranks" measure ranks on_ranks 3 >ranks.txt 2>ranks.log
check "other results of ranks" same_results many ranks
check "processes left behind" no_process_left

finish
