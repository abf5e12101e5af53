# shellcheck shell=bash
# Helpers for the scripts here: each gets its own folder with the small job in it, and ways to run the program and to
# check. APPORTION_BIN is the program, APPORTION_BUILD the build folder. Not a test itself.
set -euo pipefail

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
work=$(mktemp -d /tmp/apportion_system.XXXXXX)
trap 'rm -rf "$work"' EXIT
APPORTION_SMALL_JOB="$work" "$APPORTION_BUILD/tests/unit_shared" --gtest_filter=SmallJob.IsWrittenForSystemTests >/dev/null
cd "$work"

checks=0
exec 3>&2  # a check's own output may be redirected

fail() {
  echo "FAILED: $*" >&3
  for log in "$work"/*.log; do
    [ -e "$log" ] && { echo "--- $log"; cat "$log"; } >&3
  done
  exit 1
}

# check WHAT COMMAND...: the command must succeed.
check() {
  local what=$1
  shift
  "$@" || fail "$what"
  checks=$((checks + 1))
}

# Ends a script and prints how much was checked.
finish() {
  [ "$checks" -gt 0 ] || fail "nothing was checked"
  echo "$checks checks passed"
}

# mpirun on that many ranks, even if there are fewer cores.
on_ranks() {
  local ranks=$1
  shift
  mpirun --oversubscribe --bind-to none -n "$ranks" "$@"
}

# Compares two result files except for who ran them, with which configuration, and how long it took; `content` is a file's
# own digest of what has to be equal. (An excluded path begins at the compared object: /log/seconds.)
same_file() {
  local one=$1 other=$2 object
  [ "$(h5dump -a /content "$one" | sed 1d)" = "$(h5dump -a /content "$other" | sed 1d)" ] || return 1
  for object in $(h5ls "$one" | awk '$1 != "about" && $1 != "config" { print $1 }'); do
    h5diff --exclude-path /seconds "$one" "$other" "/$object" || return 1
  done
}

# Compares the results that must not depend on how the job was run.
same_results() {
  local one=$1 other=$2 file
  [ "$(cd "$one" && find tasks -type f | sort)" = "$(cd "$other" && find tasks -type f | sort)" ] || return 1
  while read -r file; do
    case $file in
      *.h5) same_file "$one/$file" "$other/$file" || return 1 ;;
      *) cmp "$one/$file" "$other/$file" || return 1 ;;
    esac
  done < <(cd "$one" && find tasks -type f | sort)
}

# The log has exactly one line from the program, and it contains the text.
one_line_with() {
  [ "$(grep -c '^apportion: ' "$1")" = 1 ] && grep -q "^apportion: .*$2" "$1"
}

# wait_for SECONDS COMMAND...: waits until the command succeeds, at most that long.
wait_for() {
  local seconds=$1 end
  shift
  end=$((SECONDS + seconds))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.02  # checkpoint_test.sh kills a run of 60 steps when it sees a checkpoint
  done
}

# No process is left whose command line names this script's folder, apart from our own waiting children.
no_process_left() { ! pgrep -f -- "--output $work/" >/dev/null; }

# Writes keep.txt: prompts whose answers the small job must not change.
write_keep_list() {
  cat >keep.txt <<'TEXT'
[knowledge]
What is a cat?
What is red?
Count the dogs.
[near: another question]
How old is {a_thing}?
TEXT
}

result_exists() { compgen -G "$1/tasks/*/result.h5" >/dev/null; }
