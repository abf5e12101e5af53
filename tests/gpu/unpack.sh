#!/usr/bin/env bash
# Comes with each piece that pack.sh makes: puts the piece into FOLDER, and says what is still missing or how to begin. Pieces
# may arrive in any order and at different times. Needs bash, coreutils and Python 3 (standard library only) or tar with xz.
#   bash unpack.sh FOLDER
set -euo pipefail
piece="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ $# != 1 ]; then
  echo "usage: bash $0 FOLDER" >&2
  exit 2
fi
mkdir -p "$1"
folder="$(cd "$1" && pwd)"

fail() {
  echo "error: $*" >&2
  exit 1
}

unpack() {
  if command -v xz >/dev/null; then
    tar -C "$folder" -xJf "$1"
    return
  fi
  python3 - "$1" "$folder" <<'END'
import sys, tarfile
with tarfile.open(sys.argv[1], "r:xz") as archive:
    archive.extractall(sys.argv[2], **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
END
}

(cd "$piece" && sha256sum --quiet -c piece.sha256) || fail "this piece is damaged: carry it again"
cp "$piece/parts.txt" "$folder/parts.txt"
for file in "$piece"/*.tar.xz; do
  if [ -e "$file" ]; then
    unpack "$file"
    : >"$folder/$(basename "$file").done"
  fi
done
for file in "$piece"/model.*; do
  if [ -e "$file" ]; then cp "$file" "$folder/"; fi
done

# The model's files by number; a piece of file 0 is called model.0.NN.
missing="" places=() digests=()
while read -r kind name digest place; do
  case "$kind" in
    archive) [ -e "$folder/$name.done" ] || missing+=" $name" ;;
    model) places[name]="$folder/$place" digests[name]="$digest" ;;
    part)
      number="${name#model.}"
      [ -e "$folder/$name" ] || [ -e "${places[${number%.*}]}" ] || missing+=" $name"
      ;;
  esac
done <"$folder/parts.txt"
if [ -n "$missing" ]; then
  echo "unpacked into $folder; still to come:$missing"
  exit
fi
for number in "${!places[@]}"; do
  file="${places[$number]}"
  if [ -e "$file" ]; then continue; fi
  mkdir -p "$(dirname "$file")"
  cat "$folder/model.$number."* >"$file.new"
  [ "$(sha256sum <"$file.new" | cut -d ' ' -f 1)" = "${digests[$number]}" ] || fail "the model's pieces are damaged: carry them again"
  mv "$file.new" "$file"
  rm -f "$folder/model.$number."*
done
sed -n 's/^begin //p' "$folder/parts.txt" | sed "s|@|$folder|g"
