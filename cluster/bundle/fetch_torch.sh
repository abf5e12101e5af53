#!/usr/bin/env bash
# fetch_torch.sh VERSION FOLDER: fetches PyPI's torch of that version: headers and libraries to build against. Its wheel
# must have a line in torch-versions.txt; the packages it depends on (5 GB of CUDA) are left out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
version="$1" site="$2" known="$source_dir/cluster/bundle/torch-versions.txt"
if [ -f "$site/torch/version.py" ]; then exit; fi
line="$(grep "^torch==$version " "$known")" || fail "torch $version is not in $known; those are: $(
  sed -n 's/^torch==\([^ ]*\) .*/\1/p' "$known" | paste -sd ' ')"
python="$(python311)"
mkdir -p "$deps_dir"
fresh="$(mktemp -d "$site.XXXXXX")"
trap 'rm -rf "$fresh"' EXIT
echo "$line" >"$fresh/requirements.txt"
echo "fetching torch $version into $site (about 0.5 GB to download)"
TMPDIR="$deps_dir" "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile \
  --only-binary=:all: --root-user-action=ignore --target "$fresh/site" -r "$fresh/requirements.txt"
mv -T "$fresh/site" "$site"
