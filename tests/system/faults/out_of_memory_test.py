"""The kernel kills what takes too much memory: a run in a control group of its own, then one rank of two. What was
finished stays, mpirun names the rank, no process is left, and the next run goes on to the results of a run that had
enough. Where no control group for memory can be made (no root, a container) a line says so, and nothing is tested:
memory_test.sh has the limit of a process, at which the program speaks for itself."""

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
SPARE = 30 << 20  # bytes that the group may still take
OPTIONS = ["--checkpoint_steps=3", "--quiet=false"]

# Takes memory beside the rank, in its group, and ends when another one was killed.
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
    """A control group for memory, of the first version or the second."""

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
                pass  # then the file that is looked for below is not there
        try:
            self.place.mkdir()
            (self.place / self.files[2][1:]).read_text()
        except OSError as error:
            print(f"SKIPPED: no control group for memory can be made here: {error}")
            sys.exit(0)

    def entering(self, rank=None):
        """Words before a program's that put it into the group, as the first there to be killed: on this rank, or wherever
        it is. (That the other one is the last to be killed not every root may say.)"""
        condition = "true" if rank is None else f'[ "$OMPI_COMM_WORLD_RANK" = {rank} ]'
        into = f"echo 1000 >/proc/self/oom_score_adj && echo $$ >{self.place}/cgroup.procs"
        return ["sh", "-c", f'if {condition}; then {into} || exit 99; fi; exec "$@"', "sh"]

    def kill_largest(self):
        """What makes the kernel do it may be killed beside the rank: until that has given its memory back, there is none."""
        hungry = subprocess.run([sys.executable, "-c", HUNGRY, self.place, *self.files, str(SPARE)]).returncode
        assert hungry in (0, -signal.SIGKILL), hungry

    def widen(self):
        (self.place / self.files[0][1:]).write_text(str(1 << 40))

    def remove(self):
        """Once what was killed there has left."""
        toy.wait_for(lambda: not (self.place / "cgroup.procs").read_text(), "processes stay in the group", toy.LEFT_S)
        self.place.rmdir()


def out_of_memory(folder, group, code, **how):
    """In the midst of work."""
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
