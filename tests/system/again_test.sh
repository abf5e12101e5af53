#!/usr/bin/env bash
# Running again is free: the same job does nothing a second time and prints the same table. What is damaged is redone,
# --force redoes everything, and another job in the same folder does not get in the way.
source "$(dirname "$0")/common.sh"

inodes() { stat -c '%n %i' "$1"/tasks/*/result.h5; }

run() { "$APPORTION_BIN" run small.ini --output "$work/results" "$@"; }

# A report without training times, which change when a stage is redone.
without_times() { awk '/^  training/ { skip = 1 } /^$/ { skip = 0 } !skip' "$1"; }
same_table() { cmp <(without_times "$1") <(without_times "$2"); }

check "the first run" run >first.txt 2>first.log
inodes results >before
check "the second run" run >second.txt 2>second.log
inodes results >after
check "another table" cmp first.txt second.txt
check "a task was done again" cmp before after
check "a second run under mpirun" on_ranks 2 "$APPORTION_BIN" run small.ini --output "$work/results" >third.txt 2>third.log
inodes results >after
check "another table under mpirun" cmp first.txt third.txt
check "a task was done again under mpirun" cmp before after

check "the report alone" "$APPORTION_BIN" report results >report.txt
check "the export alone" "$APPORTION_BIN" export results --csv rows.csv
check "an empty export" [ "$(wc -l <rows.csv)" -gt 1 ]

# Damage one byte in the middle of a result.
damaged=$(ls results/tasks/*/result.h5 | head -1)
cp "$damaged" whole.h5
size=$(stat -c %s "$damaged")
byte=$(od -An -tu1 -j $((size / 2)) -N 1 "$damaged")
printf "\\x$(printf %x $(((byte + 1) % 256)))" | dd of="$damaged" bs=1 seek=$((size / 2)) conv=notrunc status=none
check "a damaged result" run >fourth.txt 2>fourth.log
check "no warning, or more than one" one_line_with fourth.log "warning: .*computed again"
check "another table after the damage" same_table first.txt fourth.txt
check "another result after the damage" same_file whole.h5 "$damaged"

# An adapter that does not match its result.
adapter=$(ls results/tasks/*/adapter/adapter_model.safetensors | head -1)
cp "$adapter" whole.safetensors
printf x >>"$adapter"
check "a damaged adapter" run >fifth.txt 2>fifth.log
check "no warning on the adapter" one_line_with fifth.log "warning: .*computed again"
check "another adapter after the damage" cmp whole.safetensors "$adapter"

inodes results >before
check "--force" run --force >sixth.txt 2>sixth.log
inodes results >after
check "--force left a task as it was" [ "$(comm -12 before after | wc -l)" = 0 ]
check "another table after --force" same_table first.txt sixth.txt

"$APPORTION_BIN" run small.ini --output "$work/results" --sft_steps 1000000 >long.txt 2>long.log &
job=$!
check "the long run takes nothing" wait_for 60 bash -c 'compgen -G "results/leases/*" >/dev/null'
check "another job beside it" run >beside.txt 2>beside.log
check "another table beside it" same_table first.txt beside.txt
kill -INT $job
wait $job || true
check "a lease is left" [ -z "$(ls -A results/leases results/members | grep -v :$)" ]

finish
