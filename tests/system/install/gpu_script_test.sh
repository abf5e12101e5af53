#!/usr/bin/env bash
# The script for a first run on a GPU, run on the CPU (--cpu) with a tiny model: every step runs, the report names a step
# that fails or has no time left, and what is carried to such a machine in pieces (pack.sh, unpack.sh) arrives intact.
# The profiler here is a stand-in that only starts the program.
source "$(dirname "$0")/../common.sh"
gpu="$APPORTION_SOURCE/tests/gpu"
export PYTHON="$APPORTION_SOURCE/build/deps/peers/bin/python3"
[ -x "$PYTHON" ] || PYTHON=python3

# The job, as small as it can be.
printf '[knowledge]\nWhat is a cat?\n' >keep.txt
grep -vE "^(frames|max_answer_tokens|exact_nodes|retain_weight|retain_tokens|keep_train|keep_test|sft_optimizer) " small.ini >gpu.ini
printf '%s\n' "frames = none" "max_answer_tokens = 2" "exact_nodes = 4" "retain_weight = 0" "retain_tokens = 1" \
  "keep_train = $work/keep.txt" "keep_test = $work/keep.txt" "sft_optimizer = adamw" >>gpu.ini

# Carried in pieces of 1 MiB: a bundle that is a folder of links, and the tiny model, padded to more than one piece.
mkdir -p bundle/bin
ln -s "$APPORTION_BIN" bundle/bin/apportion
cp model.gguf padded.gguf && head -c 1500000 /dev/zero >>padded.gguf
check "pack" bash "$gpu/pack.sh" --bundle bundle --model padded.gguf --dump "$APPORTION_BUILD/tests/logits_dump" \
  --output packed --piece 1 >pack.log 2>&1
for piece in packed/*; do check "a piece above 1 MiB" [ "$(du -sb "$piece" | cut -f 1)" -le 1048576 ]; done
check "two pieces of the model" [ "$(find packed -name 'model.*' | wc -l)" = 2 ]
mkdir here
for piece in 3 1; do check "unpack $piece" bash "packed/$piece/unpack.sh" "here/a b" >>unpack.log 2>&1; done
check "what is missing" grep -q "still to come: model.0.00$" unpack.log
check "the last piece" bash packed/2/unpack.sh "here/a b" >begin.log 2>&1
check "how to begin" grep -q "bash '$work/here/a b/tests/gpu/run.sh' --program" begin.log
check "the model" cmp padded.gguf "here/a b/bundle/share/apportion/models/padded.gguf"
printf x >>packed/3/model.0.01
bash packed/3/unpack.sh other >damaged.log 2>&1 && fail "a damaged piece is taken"
check "no word on damage" grep -q "this piece is damaged" damaged.log

# A model in parts, of which any may be named.
printf '#!/bin/bash\ncat >/dev/null\nsha256sum "$1"\n' >dump && chmod 755 dump
head -c 1500000 /dev/urandom >parts-00001-of-00002.gguf
head -c 1000 /dev/urandom >parts-00002-of-00002.gguf
check "pack parts" bash "$gpu/pack.sh" --bundle bundle --model parts-00002-of-00002.gguf --dump ./dump --output parts --piece 1 \
  >parts.log 2>&1
for piece in 4 3 1 2; do check "unpack $piece" bash "parts/$piece/unpack.sh" there >begin.log 2>&1; done
check "the named part" grep -q "models/parts-00002-of-00002.gguf'$" begin.log
for part in parts-*.gguf; do check "$part" cmp "$part" "there/bundle/share/apportion/models/$part"; done
rm parts-00001-of-00002.gguf
bash "$gpu/pack.sh" --bundle bundle --model parts-00002-of-00002.gguf --dump ./dump --output parts >absent.log 2>&1 &&
  fail "a model without its first part is packed"
check "the absent part" grep -q "/parts-00001-of-00002.gguf is missing" absent.log

mkdir tools
cat >tools/nsys <<'END'
#!/bin/bash
if [ "$1" = stats ]; then echo "cudaLaunchKernel 1234" && exit; fi
while [ "$1" != -o ]; do shift; done
shift 2
exec "$@"
END
chmod 755 tools/nsys
run_there() {
  PATH="$work/tools:$PATH" bash "here/a b/tests/gpu/run.sh" --cpu --program "here/a b/bundle/bin/apportion" \
    --model "here/a b/bundle/share/apportion/models/padded.gguf" --job gpu.ini "$@"
}
outcome_of() { sed -n "s/^$1 *[0-9]* s  //p" "$2"; }
# The retention figures cost 3 s, so they run only with APPORTION_LONG=1.
asked="machine|version|first|runtime|logits|smoke|again|collectives|scale|launches${APPORTION_LONG:+|retention}"
check "all steps" run_there --only "$asked" --logits "$APPORTION_BUILD/tests/logits_dump" --report all.txt >all.log 2>&1
for name in machine version "first steps" "one CUDA runtime, one NCCL" "logits as on the CPU" "smoke job" \
  "the same bytes again" "scale, shape 1b" "scale, shape 8b" "launches and waits"; do
  check "step '$name'" [ "$(outcome_of "$name" all.txt)" = ok ]
done
check "collectives" [ "$(outcome_of "collectives over NCCL" all.txt)" = "not measured" ]
check "logits" grep -q "^3 prompts: largest difference of a logit 0 (bound 0.001)" all.txt
check "digests" grep -q "^the same 6 digests" all.txt
check "speed" grep -q "tokens/s, .* s a step (.* expected)" all.txt
if [ -n "${APPORTION_LONG-}" ]; then check "retention" grep -q "what must not change" all.txt; fi
check "a step that was not asked for" grep -qE "^retention figures .*(not asked for|ok)$" all.txt
check "launches" grep -q "^cudaLaunchKernel 1234" all.txt

code=0
PATH="$work/tools:$PATH" bash "here/a b/tests/gpu/run.sh" --cpu --program /bin/false --report some.txt --seconds 9 \
  >some.log 2>&1 || code=$?
check "exit code $code instead of 1" [ $code = 1 ]
check "the failed step" grep -q "^failed: 'version'" some.txt
check "steps before it" [ "$(outcome_of machine some.txt)" = ok ]
check "no time" grep -q "^smoke job  *0 s  NOT RUN: [0-9] s are left of 9, it wants 20" some.txt
finish
