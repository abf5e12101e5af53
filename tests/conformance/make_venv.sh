#!/usr/bin/env bash
# Makes build/deps/peers, the virtual environment of the conformance tests, unless it is there and current.
# It is made under another name and then renamed, so an interrupted run leaves nothing half done.
# Use only bin/python: the other scripts in bin still contain the path under which they were made.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../cluster/common.sh"

requirements="$source_dir/tests/conformance/requirements.txt"
peers="$deps_dir/peers"
wanted="$(stamp "$requirements")"

mkdir -p "$deps_dir"
exec 9>"$deps_dir/.peers.lock"
flock 9
if [ "$(cat "$peers/.stamp" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

python="$(python311)"
rm -rf "$peers".new.*
fresh="$peers.new.$$"
trap 'rm -rf "$fresh"' EXIT
echo "making $peers (about 2 GB of wheels, a minute or two)"
"$python" -m venv "$fresh"
"$fresh/bin/python" -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --require-hashes --no-compile \
  --only-binary=:all: -r "$requirements"
# Compiles the tests' imports once here: with PYTHONDONTWRITEBYTECODE in the environment each test process would compile
# them again, at 5 to 15 s of processor time.
PYTHONDONTWRITEBYTECODE= "$fresh/bin/python" -c 'import gguf, h5py, jinja2, matplotlib.pyplot, pandas, torch.distributed.fsdp
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM
from trl import DPOTrainer, KTOTrainer, SFTTrainer' || fail "the virtual environment cannot import the peers"
echo "$wanted" >"$fresh/.stamp"
rm -rf "$peers.old"
if [ -e "$peers" ]; then mv -T "$peers" "$peers.old"; fi
mv -T "$fresh" "$peers"
rm -rf "$peers.old"
