#!/usr/bin/env bash
# Files and output as users have them: a full disk, closed descriptors, devices, pipes and links instead of files, names
# that are not UTF-8, file systems without links or fsync of folders, a damaged result, and job files with ~ and $NAME,
# with a byte order mark, or from a pipe.
tests=$(realpath "$(dirname "$0")")
source "$tests/../common.sh"

quick=(run small.ini --method prompted)

# refused TEXT COMMAND...: expects exit code 2 and one line from the program that contains the text.
refused() {
  local text=$1 code=0
  shift
  "$@" >refused.out 2>refused.log || code=$?
  check "exit code $code instead of 2: $*" [ $code = 2 ]
  check "not one line with '$text': $*" one_line_with refused.log "$text"
}

apportion() { "$APPORTION_BIN" "$@"; }
# odd VARIABLE=VALUE COMMAND...: runs with odd_system.so and its variable set, e.g. odd LINK_ERROR=38 run ...
odd() {
  local assignment=$1
  shift
  env LD_PRELOAD="$work/odd_system.so" "$assignment" "$APPORTION_BIN" "$@"
}
gcc -shared -fPIC -o odd_system.so "$tests/odd_system.c" -ldl

check "results" apportion "${quick[@]}" --output "$work/one" >one.txt 2>one.log
check "the table" apportion export one --csv shares.csv

# Output arrives, or the program says that it did not.
full() { apportion "$@" >/dev/full; }
refused "standard output: No space left" full report one
refused "standard output: No space left" full export one --csv -
refused "standard output: No space left" full run small.ini --print-config
refused "standard output: No space left" full --help
refused "standard output: No space left" full plan --model shape:1b
refused "standard output: No space left" full "${quick[@]}" --output "$work/one"
check "closed descriptors" apportion "${quick[@]}" --output "$work/closed" <&- >&- 2>&-
check "something was printed into a journal" [ -z "$(cut -c 1-26 closed/journal/*.log | grep -v '^[0-9a-f]\{16\} {"')" ]
check "other results with closed descriptors" same_results one closed

# A device, pipe or link given as a file stays what it is, and receives the output.
mkfifo pipe
cat pipe >through &
check "into a pipe" apportion export one --csv pipe
wait $!
check "the pipe is gone" [ -p pipe ]
check "other bytes through a pipe" cmp shares.csv through
echo old >target
for link in target made; do
  ln -s $link to_$link
  check "into a link" apportion export one --csv to_$link
  check "the link is gone" [ -L to_$link ]
  check "other bytes through a link" cmp shares.csv $link
done
apportion export one --csv /dev/stdout | cmp - shares.csv || fail "other bytes through /dev/stdout"
if mknod device c 1 7 2>/dev/null && [[ $( { echo >device; } 2>&1) = *"No space"* ]]; then  # our own /dev/full
  refused "No space left" apportion export one --csv device
  check "the device is gone" [ -c device ]
fi

# A name that is not UTF-8 either works or is refused before anything runs.
odd_name=$'caf\xe9'
cp small.ini "$odd_name.ini"
for key in model dataset output keep_test; do
  refused "command line: $key = 'caf.xe9' must be .*UTF-8" apportion "${quick[@]}" --$key "$odd_name"
done
refused "gives no name for a results folder" apportion run "$odd_name.ini"
check "a table's name" apportion export one --csv "$odd_name.csv"
check "other bytes by another name" cmp shares.csv "$odd_name.csv"
cp -r one odd
check "a job file's name" apportion run "$odd_name.ini" --method prompted --output "$work/odd" >odd.txt 2>odd.log
check "not a job by that name" grep -q $'^caf\xef\xbf\xbd,' <(apportion export odd --csv -)

# A results folder on a file system without links, and one that cannot be made.
for error in 1 95; do  # EPERM, EOPNOTSUPP
  check "no links, error $error" odd LINK_ERROR=$error "${quick[@]}" --output "$work/linkless$error" >link.txt 2>link.log
  check "other results without links" same_results one linkless$error
  check "a lease is left" [ -z "$(ls -A linkless$error/leases)" ]
done
LD_PRELOAD=$work/odd_system.so LINK_ERROR=38 "$APPORTION_BIN" run small.ini --sft_steps 1000000 \
  --output "$work/held" >held.log 2>&1 &
job=$!
lease() { compgen -G "held/leases/*" >/dev/null && grep -q stage "held/members/"* 2>/dev/null; }
check "no lease without links" wait_for 30 lease
kill -KILL $job
wait $job 2>/dev/null || true
check "a dead run's lease is taken over" odd LINK_ERROR=38 "${quick[@]}" --output "$work/held" >held.txt 2>held.log
refused "cannot create .*Input/output error" odd LINK_ERROR=5 "${quick[@]}" --output "$work/nolink"
check "folders that cannot be flushed" odd FOLDER_FSYNC_ERROR=22 "${quick[@]}" --output "$work/unflushed" >fsync.txt 2>fsync.log
check "other results where folders cannot be flushed" same_results one unflushed
refused "cannot flush .*Input/output error" odd FOLDER_FSYNC_ERROR=5 "${quick[@]}" --output "$work/broken"
ln -s nowhere dangling
refused "dangling: it is a link to nowhere, which does not exist" apportion "${quick[@]}" --output "$work/dangling"
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups "$APPORTION_BIN" --version >/dev/null 2>&1; then
  chmod 755 "$work"
  refused "cannot write .*/one/members/.*Permission denied" \
    setpriv --reuid 65534 --clear-groups "$APPORTION_BIN" "${quick[@]}" --output "$work/one"
fi

# One damaged result among several: the others are shown, the damaged one is named, and the exit code tells scripts.
cp -r one damaged
task=$(h5ls -r damaged/index.h5 | sed -n 's|.*/after/v2 *Soft Link {/tasks/\(.*\)}|\1|p')
echo "more" >>"damaged/tasks/$task/result.h5"
refused "1 of the results cannot be read; all others are there: .*$task" apportion export damaged --csv some.csv
check "not the others alone" cmp some.csv <(grep -v ',after,' shares.csv)
refused "1 of the results cannot be read.*$task" apportion report damaged
check "no report of the others" grep -q "before, v2" refused.out

# Job files.
marked=$'\xef\xbb\xbf'
{ printf '%s' "$marked" && cat small.ini; } >marked.ini
apportion run marked.ini --print-config --output x | cmp - <(apportion run small.ini --print-config --output x) ||
  fail "a byte order mark changes the job"
mkdir marked && cp -r colours marked/
for file in targets.csv templates.txt; do
  { printf '%s' "$marked" && cat colours/$file; } >marked/colours/$file
done
before=$(ls one/tasks)
check "marked tables" apportion "${quick[@]}" --dataset "$work/marked/colours" --output "$work/one" >marked.txt 2>marked.log
check "a byte order mark changes the dataset" [ "$before" = "$(ls one/tasks)" ]
check "a job out of a pipe" apportion run <(cat small.ini) --method prompted --output "$work/one" >pipe.txt 2>pipe.log
check "a job from standard input" apportion run /dev/stdin --method prompted --output "$work/one" \
  < <(cat small.ini) >stdin.txt 2>stdin.log
refused "gives no name for a results folder; set --output" apportion run <(cat small.ini)
configured() { (cat small.ini && echo "$1") >given.ini && apportion run given.ini --print-config; }
export SCRATCH=$work/scratch HOME=$work/home
unset NOWHERE
check "~" grep -qx "output = $work/home/runs" <(configured 'output = ~/runs')
check "a variable" grep -qx "output = $work/scratch/x" <(configured 'output = $SCRATCH/x')
check "a variable in braces" grep -qx "keep_test = a$work/scratch" <(configured 'keep_test = a${SCRATCH}')
line=$(($(wc -l <small.ini) + 1))
refused "given.ini, line $line: output = '.NOWHERE/x': the environment has no NOWHERE" configured 'output = $NOWHERE/x'
refused "given.ini, line $line: output = '~else/x': " configured 'output = ~else/x'
refused "given.ini, line $line: '#' without a blank" configured 'output = run#3'

# A quota of half a processor, or OMP_NUM_THREADS, leaves one thread.
threads() { h5dump -a /about/threads_by_rank "$(ls "$1"/tasks/*/result.h5 | head -1)" | grep -o '"[0-9,]*"'; }
check "OMP_NUM_THREADS = 1, other threads" [ "$(threads one)" = '"1"' ]
unset OMP_NUM_THREADS
check "a quota" odd "CPU_MAX=50000 100000" "${quick[@]}" --output "$work/quota" >quota.txt 2>quota.log
check "half a processor, several threads" [ "$(threads quota)" = '"1"' ]
finish
