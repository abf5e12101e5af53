#!/usr/bin/env bash
# A scaling study of a tiny shape on one and two ranks: the table, the files it leaves, and a plan from its coefficients.
# Running it again is free, on one process as well; mistakes give one line.
source "$(dirname "$0")/common.sh"

cat >study.ini <<END
scale_shapes = layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocabulary=1000
scale_ranks = 1,2
scale_shard_sizes = 1,2
scale_tokens = 160
scale_steps = 2
micro_batches = 2
node_sharing = ignored
resident = never
threads = 1
plan_machine = cpu
END

study() { "$@" "$APPORTION_BIN" scale study.ini --output "$work/study"; }

check "a study on two ranks" study on_ranks 2 >first.txt 2>first.log
check "a row for each scaling and layout" [ "$(grep -c "^  layers=2" first.txt)" = 6 ]
check "four measurements for six rows" [ "$(ls study/tasks | wc -l)" = 4 ]
for task in study/tasks/*; do
  check "seconds of each rank and step" h5dump -d /steps/seconds "$task/result.h5" >/dev/null
done
check "links to the measurements" [ "$(h5ls study/index.h5/tasks | wc -l)" = 4 ]
check "a page with a chart of tokens per second" grep -q "Tokens per second, strong scaling" study/scaling.html
check "a line for each shard size" grep -q "shards 2: [0-9.]* on 2 ranks" study/scaling.html
check "again, on one process, without measuring" study env >again.txt 2>again.log
check "another table the second time" cmp first.txt again.txt
check "a plan with the coefficients" "$APPORTION_BIN" plan --model shape:350m --plan_machine cpu --plan_ranks 1,2 \
  --plan_coefficients study/coefficients.json >plan.txt 2>plan.log
check "a plan that says where its figures are from" grep -q "apportion scale: peak" plan.txt

# On two ranks a whole base takes more memory than a shard and what is gathered in passing.
"$APPORTION_BIN" scale study.ini --output "$work/study" --json >study.json 2>json.log
check "a sharded base below a whole one" python3 - study.json <<'END'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
of = {row["shard_size"]: row for row in rows if row["ranks"] == 2}
sys.exit(not max(of[2]["base_bytes_by_rank"]) < 0.95 * min(of[1]["base_bytes_by_rank"]))
END

code=0
"$APPORTION_BIN" report study --html study/scaling.html >wrong.txt 2>wrong.log || code=$?
check "exit code $code instead of 2 for a report of a study" [ $code = 2 ]
check "not one line on the study's page" one_line_with wrong.log "its page is study/scaling.html"
check "a page that was replaced" grep -q "Scaling study" study/scaling.html

code=0
"$APPORTION_BIN" scale study.ini --output "$work/other" >wrong.txt 2>wrong.log || code=$?
check "exit code $code instead of 2 for too few ranks" [ $code = 2 ]
check "not one line on the ranks" one_line_with wrong.log "start it with mpirun -n 2"
code=0
on_ranks 2 "$APPORTION_BIN" scale study.ini --output "$work/other" --scale_tokens 20 >wrong.txt 2>wrong.log || code=$?
check "exit code $code instead of 2 for too few tokens" [ $code = 2 ]
check "not one line on the tokens" one_line_with wrong.log "scale_tokens = 20 is too small"

finish
