#!/usr/bin/env bash
# SmolLM2 itself, in bfloat16 where the CPU has it. One process with all cores gives the same bytes as 3 ranks in one
# group with fewer threads each, and as 4 ranks with the base in shards, where no rank holds much more than its part.
# 2 ranks with packed shards train the same adapters. 2 subjects in as many units as ranks, and a few steps per stage.
source "$(dirname "$0")/common.sh"

cat >real.ini <<END
dataset = gender-us-real
subjects = 2
test_sets = v2
rounds = 6
max_answer_tokens = 3
exact_nodes = 12
unit_prompts = 3
sft_steps = 2
calibrate_steps = 2
batch_prompts = 8
retain_weight = 0
retention = false
END

check "one process" "$APPORTION_BIN" run real.ini --output "$work/one" >one.log 2>&1
check "3 ranks" on_ranks 3 "$APPORTION_BIN" run real.ini --group_size 3 --output "$work/group" >group.log 2>&1
check "3 ranks give other bytes" same_results one group

# The base in four shards that are gathered again in each pass, with blocks computed twice.
check "4 shards" on_ranks 4 "$APPORTION_BIN" run real.ini --group_size 4 --shard_size 4 --node_sharing ignored \
  --resident never --recompute always --output "$work/shards" >shards.log 2>&1
check "shards give other bytes" same_results one shards

# The file's linear layers have 4 bits: kept and gathered that way, they compute the same.
adapters() { (cd "$1" && sha256sum tasks/*/adapter/adapter_model.safetensors | cut -d' ' -f1 | sort); }
check "packed shards" on_ranks 2 "$APPORTION_BIN" run real.ini --group_size 2 --shard_size 2 --node_sharing ignored \
  --resident never --recompute never --base_type q4 --output "$work/packed" >packed.log 2>&1
check "no adapters" [ -n "$(adapters one)" ]
check "a packed base trains other adapters" [ "$(adapters one)" = "$(adapters packed)" ]

# about FILE NAME: what the result records under that name.
about() { h5dump -a "/about/$2" "$1" | sed -n 's/^ *(0): "\(.*\)"$/\1/p'; }

# base_peak FILE: the most bytes of frozen base that any rank held.
base_peak() { about "$1" base_peak_bytes_by_rank | tr , '\n' | sort -n | tail -1; }

# No rank held more than its part, two blocks and 5%. A block has 3,538,944 weights.
holds_little() {
  local whole most bytes
  whole=$(base_peak "one/$1")
  most=$(base_peak "shards/$1")
  case "$(about "one/$1" compute_type)" in
    float32) bytes=4 ;;
    bfloat16) bytes=2 ;;
    *) return 1 ;;
  esac
  echo "$1: $bytes bytes a weight, whole $whole bytes, most on a rank $most"
  [ "$whole" -gt 300000000 ] && [ "$most" -le $(((whole / 4 + 2 * 3538944 * bytes) * 105 / 100)) ]
}
for file in $(cd one && echo tasks/*/result.h5); do
  check "$file: a rank holds too much of the base" holds_little "$file"
done
finish
