"""The kernel kills what takes too much memory: a run in its own control group, then one rank of two. What was finished
stays, mpirun names the rank, no process is left, and the next run gets to the results of a run that had enough memory.
Where no memory control group can be made (no root, a container) one line says so and nothing is tested. memory_test.sh
tests a process limit, where the program itself can still report the error."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import toy

MEMORY = pathlib.Path("/sys/fs/cgroup")
SPARE = 30 << 20  # bytes that the group may still allocate
OPTIONS = ["--checkpoint_steps=3", "--quiet=false"]

# Takes memory in the rank's control group, and ends when another process there was killed.
HUNGRY = """
import os, re, sys, time
group, limit, used, events, spare = sys.argv[1:]
killed = lambda: int(re.search(r"^oom_kill (\\d+)", open(group + events).read(), re.M).group(1))
before = killed()
open(group + limit, "w").write(str(int(open(group + used).read()) + int(spare)))
open(group + "/cgroup.procs", "w").write(str(os.getpid()))
taken = []
for _ in range(1000):
    if killed() > before:
        break
    if len(taken) < 50:
        taken.append(b"x" * (2 << 20))
    time.sleep(0.02)
else:
    sys.exit("nothing was killed")
"""


class Group:
    """A memory control group, cgroup version 1 or 2."""

    def __init__(self):
        self.place = None
        name = f"apportion_test_{os.getpid()}"
        if (MEMORY / "memory").is_dir():
            self.place, self.files = MEMORY / "memory" / name, ["/memory.limit_in_bytes", "/memory.usage_in_bytes", "/memory.oom_control"]
        else:
            self.place, self.files = MEMORY / name, ["/memory.max", "/memory.current", "/memory.events"]
            try:
                (MEMORY / "cgroup.subtree_control").write_text("+memory")
            except OSError:
                pass  # then the file read below is missing
        try:
            self.place.mkdir()
            (self.place / self.files[2][1:]).read_text()
        except OSError as error:
            print(f"SKIPPED: no control group for memory can be made here: {error}")
            sys.exit(0)

    def entering(self, rank=None):
        """Command prefix that puts a program into the group as the first to be killed: on this rank, or on all. (Not
        every root may instead mark the other process as the last to be killed.)"""
        condition = "true" if rank is None else f'[ "$OMPI_COMM_WORLD_RANK" = {rank} ]'
        into = f"echo 1000 >/proc/self/oom_score_adj && echo $$ >{self.place}/cgroup.procs"
        return ["sh", "-c", f'if {condition}; then {into} || exit 99; fi; exec "$@"', "sh"]

    def kill_largest(self):
        """Makes the kernel kill the rank. The process that does this may be killed as well: there is no memory until the
        rank has given its own back."""
        hungry = subprocess.run([sys.executable, "-c", HUNGRY, self.place, *self.files, str(SPARE)]).returncode
        assert hungry in (0, -signal.SIGKILL), hungry

    def widen(self):
        (self.place / self.files[0][1:]).write_text(str(1 << 40))

    def remove(self):
        """Removes the group once the killed processes have left it."""
        toy.wait_for(lambda: not (self.place / "cgroup.procs").read_text(), "processes stay in the group", toy.LEFT_S)
        self.place.rmdir()


def out_of_memory(folder, group, code, **how):
    """Runs out of memory in the middle of work; expects this exit code."""
    kept = toy.results(folder)
    run = toy.Run(folder, *OPTIONS, **how)
    toy.wait_for(lambda: len(toy.results(folder)) > len(kept) and toy.names(folder / "leases"), lambda: run.log())
    kept = toy.results(folder)
    group.kill_largest()
    run.ends(code, 60)
    toy.check_kept(kept, folder, "out of memory")
    group.widen()
    return run


def main():
    group = Group()
    work = pathlib.Path(tempfile.mkdtemp(prefix="apportion_system."))
    try:
        toy.write_sweep(work)
        expected = toy.undisturbed(work)
        folder = work / "shared"
        out_of_memory(folder, group, -9, within=group.entering())
        for rank in (1, 0):
            run = out_of_memory(folder, group, 137, within=group.entering(rank), ranks=2)
            assert re.search(rf"process rank {rank} .* exited on signal 9 \(Killed\)", run.log()), run.log()
        status = toy.call("status", folder).stdout
        assert len(re.findall(r"^lost: ", status, re.M)) == 3 and "at work" not in status, status
        last = toy.Run(folder, *OPTIONS)
        last.ends()
        toy.check_finished(folder, expected)
        lost = toy.common.events(folder, "lost")
        assert lost, "nothing was taken over"
    finally:
        toy.end_all()
        group.remove()
    shutil.rmtree(work)
    print(f"three times out of memory; {len(lost)} tasks were taken over")


if __name__ == "__main__":
    main()
