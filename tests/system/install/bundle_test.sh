#!/usr/bin/env bash
# The bundle (cluster/bundle.sh) in an empty root that has only the bundle, /proc, /dev and /tmp: no shell, no C library.
# Run by ordinary users that no file lists, from a folder with blanks and an umlaut, it gives the same bytes as the
# ordinary build, in one process and under its own mpirun. Outside that root it loads none of the machine's libraries, and
# it refuses any LibTorch but the version it was built with. A program from `cmake --install` can be moved and finds its
# data. With APPORTION_LONG=1 also the archive itself, stripped, and ranks started through orted as over ssh.
source "$(dirname "$0")/../common.sh"
[ "$(id -u)" = 0 ] || fail "needs root for its chroot"
chroot="$(command -v chroot)"
root="$work/root"
inside="/opt/Größe der Welt/apportion"
bundle="$root$inside"
version="$(sed -n "s/^__version__ = '\(.*\)'$/\1/p" "$APPORTION_SOURCE/build/deps/site/torch/version.py")"
mkdir -p "$root"/{proc,dev,tmp} "$root$work/out" "$(dirname "$bundle")"
cp -r colours model.gguf small.ini "$root$work/"
chmod 755 "$work" "$root" "$root$work"
chmod 1777 "$root/tmp" "$root$work/out"

# in_root USER COMMAND...: runs it in the empty root as that user, with only the number of threads in its environment.
# USER may be "USER HOME".
in_root() {
  local user=${1% *} home=${1#* } command=(env -i OMP_NUM_THREADS=1)
  shift
  [ "$home" = "$user" ] || command+=("HOME=$home")
  # shellcheck disable=SC2016  # $0 is the inner shell's
  unshare --mount bash -c 'mount --bind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec "$@"' \
    "$root" "${command[@]}" "$chroot" --userspec="$user:$user" "$root" "$@"
}

# outside COMMAND...: runs it on this machine as a user without a name, who may write only to $work/out.
mkdir out && chmod 1777 out
outside() { setpriv --reuid=54321 --regid=54321 --clear-groups env -i OMP_NUM_THREADS=1 PATH=/usr/bin:/bin "$@"; }

# Every library that a library or program in the bundle needs is in the bundle.
closed() {
  local missing
  missing=$(find "$bundle/lib" "$bundle/libexec" -type f -exec readelf -d {} + 2>/dev/null |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u | while read -r name; do
      [ -e "$bundle/lib/system/$name" ] || [ -e "$bundle/lib/torch/$name" ] || echo "$name"
    done)
  [ -z "$missing" ] || { echo "not in the bundle: $missing"; return 1; }
}

no_library_from_outside() {
  grep -hq "calling init: $bundle/lib/torch/libtorch_cpu.so" "$work"/out/loaded.* || return 1
  ! grep -h "calling init: " "$work"/out/loaded.* | grep -v "calling init: $bundle/lib/"
}

licences_of_all() {
  local package
  for package in libc6 libstdc++6 libopenmpi3 libpmix2 libhdf5-103-1 libicu72 libcurl4 ca-certificates; do
    [ -s "$bundle/share/doc/licences/$package" ] || { echo "no licence of $package"; return 1; }
    grep -q "^$package .*, source " "$bundle/share/doc/licences/packages.txt" || return 1
  done
  [ -s "$bundle/share/doc/licences/torch-${version%+*}/LICENSE" ]
}

check "the bundle" bash "$APPORTION_SOURCE/cluster/bundle.sh" --quick --folder "$bundle" >bundle.log 2>&1
check "the bundle is closed" closed >closed.log 2>&1
check "licences" licences_of_all >licences.log 2>&1
check "one process" "$APPORTION_BIN" run small.ini --output "$work/out/ordinary" >ordinary.log 2>&1

in_root 65534 "$inside/bin/apportion" --version >version.log 2>&1 || fail "--version in the empty root"
check "another --version than the program's" diff version.log <("$APPORTION_BIN" --version)
check "one process in the empty root" in_root "54321 /" "$inside/bin/apportion" run "$work/small.ini" \
  --output "$work/out/one" >one.log 2>&1
check "one process in the empty root gives other bytes" same_results out/ordinary "$root$work/out/one"
check "2 ranks in the empty root" in_root 54321 "$inside/bin/mpirun" --oversubscribe --bind-to none -n 2 \
  apportion run "$work/small.ini" --output "$work/out/two" >two.log 2>&1
check "2 ranks in the empty root give other bytes" same_results out/ordinary "$root$work/out/two"
in_root 54321 "$inside/bin/apportion" run jobs/smoke.ini --print-config >smoke.log 2>&1 ||
  fail "the job that comes with it is not found"
check "its data" grep -q '^dataset = gender-us-real' smoke.log
in_root 54321 "$inside/bin/apportion" run smoke.ini --dataset no-such >dataset.log 2>&1 && fail "no-such is a dataset"
check "where it looks for data" one_line_with dataset.log "nor a name in $inside/share/apportion/datasets; the nearest"

# On this machine, where the system's libraries and name service would be available.
check "2 ranks beside the machine's libraries" outside LD_DEBUG=files LD_DEBUG_OUTPUT="$work/out/loaded" \
  "$bundle/bin/mpirun" --oversubscribe --bind-to none -n 2 "$bundle/bin/apportion" run "$work/small.ini" \
  --output "$work/out/beside" >beside.log 2>&1
check "2 ranks beside the machine's libraries give other bytes" same_results out/ordinary out/beside
check "a library is the machine's" no_library_from_outside >loaded.log 2>&1

# LibTorch from outside: accepted in the right version, otherwise refused.
mkdir -p "site other/torch"
echo "__version__ = '1.2.3+cu99'" >"site other/torch/version.py"
code=0
outside "$bundle/bin/apportion" --version --torch "$work/site other" >refused.log 2>&1 || code=$?
check "exit code $code instead of 2" [ $code = 2 ]
check "not one line with both versions" one_line_with refused.log "is 1.2.3+cu99, this program was built with $version"
mv "$bundle/lib/torch" "$work/torch_inside"
outside "$bundle/bin/apportion" --version >without.log 2>&1 && fail "it runs without LibTorch"
check "what is missing is not said" one_line_with without.log "version $version by --torch or APPORTION_TORCH"
check "LibTorch by --torch" "$bundle/bin/apportion" --torch "$APPORTION_SOURCE/build/deps/site" --version >site.log 2>&1
check "LibTorch by the environment" env "APPORTION_TORCH=$APPORTION_SOURCE/build/deps/site" "$bundle/bin/apportion" \
  report out/ordinary >site.log 2>&1
mv "$work/torch_inside" "$bundle/lib/torch"

# cmake --install, then moved; links to the bundle's LibTorch save copying 460 MB.
for component in program data; do
  check "cmake --install" cmake --install "$APPORTION_BUILD" --prefix "$work/prefix" --component $component >install.log 2>&1
done
mkdir -p prefix/lib && cp -al "$bundle/lib/torch" prefix/lib/apportion
mv prefix "moved Ä"
check "LibTorch is not found beside the moved program" grep -q "=> $work/moved Ä/.*libtorch_cpu.so" \
  <(ldd "moved Ä/bin/apportion")
check "a moved program" "moved Ä/bin/apportion" run paper.ini --print-config >moved.log 2>&1
"moved Ä/bin/apportion" run smoke.ini --dataset no-such >moved.log 2>&1 && fail "no-such is a dataset"
check "where a moved program looks" one_line_with moved.log "nor a name in .*/moved Ä/share/apportion/datasets"

if [ -n "${APPORTION_LONG-}" ]; then
  # As over ssh: two names for this machine, and a shell in place of ssh. The launcher does not quote blanks in the command,
  # so the folder has none.
  mv -T "$bundle" "$work/plain"
  # Each has its own TMPDIR, as on two machines: in a shared one both orted would race for the same session folder.
  printf '#!/bin/sh\nexport TMPDIR="%s/out/$1"\nmkdir -p "$TMPDIR"\nshift\nexec sh -c "$*"\n' "$work" >ssh.sh && chmod 755 ssh.sh
  check "2 ranks by orted" outside "$work/plain/bin/mpirun" --mca plm_rsh_agent "$work/ssh.sh" -host one.invalid,two.invalid \
    -n 2 apportion run "$work/small.ini" --output "$work/out/orted" >orted.log 2>&1
  check "2 ranks by orted give other bytes" same_results out/ordinary out/orted
  mkdir "archive" && rm -rf "$work/plain"
  check "the archive" bash "$APPORTION_SOURCE/cluster/bundle.sh" --level 1 >archive.log 2>&1
  archive=$(sed -n 's/^\(build.*\.tar\.zst\): .*/\1/p' archive.log)
  check "the archive unpacked" tar -C archive --zstd -xf "$APPORTION_SOURCE/$archive"
  mv -T archive/* "$bundle"
  check "2 ranks of the archive's program" in_root 54321 "$inside/bin/mpirun" --oversubscribe --bind-to none -n 2 \
    "$inside/bin/apportion" run "$work/small.ini" --output "$work/out/archive" >stripped.log 2>&1
  check "the archive's program gives other bytes" same_results out/ordinary "$root$work/out/archive"
fi
finish
