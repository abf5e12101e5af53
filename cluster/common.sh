# Sourced by the set-up scripts: where things are, which Python is used, how a phase is timed. install-deps.sh and
# tests/conformance/make_venv.sh say what is installed, and from where.

source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
deps_dir="$source_dir/build/deps"

fail() {
  echo "error: $*" >&2
  exit 1
}

# The wheels are CPython 3.11's: prints an interpreter of that version (Debian 12's own is one).
python311() {
  local candidate
  for candidate in python3.11 python3 /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  fail "no Python 3.11 was found: the pinned wheels are for it (Debian 12: apt-get install python3)"
}

# absolute PATH: the path made absolute, for a script that changes its folder.
absolute() { case "$1" in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

# stamp FILE...: a hash that identifies what these files install.
stamp() { cat "$@" | sha256sum | cut -c1-64; }

# phase NAME COMMAND...: runs the command and remembers its seconds and outcome for phase_report. Never returns
# non-zero: errexit would be off inside a command whose status is tested, so failures are kept in phase_failed.
phase_times=""
phase_failed=""
phase() {
  local name="$1" start=$SECONDS outcome=ok
  shift
  printf '\n== %s\n' "$name"
  set +e
  (set -e; "$@")
  local status=$?
  set -e
  if [ "$status" != 0 ]; then
    outcome=FAILED
    phase_failed+=" $name"
    echo "error: phase '$name' failed with status $status" >&2
  fi
  phase_times+="$(printf '%-28s %5d s  %s' "$name" $((SECONDS - start)) "$outcome")"$'\n'
}

# Prints the seconds of each phase; returns non-zero when a phase failed.
phase_report() {
  printf '\n== seconds by phase\n%s%-28s %5d s\n' "$phase_times" total "$SECONDS"
  [ -z "$phase_failed" ] || fail "failed:$phase_failed"
}
