# Sourced by the set-up scripts: where things are, which Python is used, how a phase is timed.
# What is installed, and from where, is in install-deps.sh and tests/conformance/make_venv.sh.

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

# stamp FILE...: the hash that names what these files install.
stamp() { cat "$@" | sha256sum | cut -c1-64; }

# phase NAME COMMAND...: runs the command and remembers its seconds for phase_report. The command runs in a
# shell of its own with errexit on, as bash ignores errexit in whatever is tested with || or if.
phase_times=""
phase() {
  local name="$1" start=$SECONDS status
  shift
  echo "== $name"
  set +e
  (set -e; "$@")
  status=$?
  set -e
  phase_times+="$(printf '%-28s %5d s  %s' "$name" $((SECONDS - start)) "$([ $status = 0 ] && echo ok || echo FAILED)")"$'\n'
  return $status
}

phase_report() {
  echo "== seconds by phase"
  printf '%s' "$phase_times"
  printf '%-28s %5d s\n' total "$SECONDS"
}
