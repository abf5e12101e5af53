"""The toy sweep that the tests here inject faults into, the runs that work on it, and what must hold whatever happens
to them. Not a test itself."""

import itertools
import os
import pathlib
import signal
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402
from common import APPORTION, MPIRUN, wait_for  # noqa: E402

LONG = os.environ.get("APPORTION_LONG") == "1"
OWN = {"sft_steps": 14, "calibrate_steps": 7, "test_sets": "v2", "exact_nodes": 4}
CELLS = 6
TASKS = 3 + 3 * CELLS  # the untouched model at each seed; two stages and a measurement per cell
SWEEP = "[sweep]\ntarget = real, even\nseed = 0..2\n"
LEFT_S = 10  # seconds that a process may outlive a fault (the limit that is promised)
MARK = "APPORTION_FAULTS"  # environment variable that says which run a process belongs to
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")} | {
    "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}  # fmt: skip
numbers = itertools.count()


def write_sweep(work, **changes):
    """Writes sweep.ini and the files it reads to a folder."""
    common.write_small_job(work)
    own = OWN | changes
    kept = [line for line in (work / "small.ini").open() if line.partition(" ")[0] not in own]
    (work / "sweep.ini").write_text("".join(kept) + "".join(f"{key} = {value}\n" for key, value in own.items()) + SWEEP)


class Run:
    """An `apportion run` of the sweep in a folder, under mpirun or alone, with all its processes."""

    def __init__(self, folder, *options, ranks=1, environment=None, prefix=(), within=(), job="sweep.ini", work=None):
        """`prefix` comes before the whole command, `within` before the program on each rank; `work` has the job files."""
        self.folder, self.ranks, work = folder, ranks, work or folder.parent
        self.mark = f"{os.getpid()}-{next(numbers)}"
        self.log_path = work / f"{folder.name}.{self.mark}.log"
        words = [*prefix, *(MPIRUN + [str(ranks)] if ranks > 1 else []), *within, APPORTION, "run", job, f"--output={folder}", *options]
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                words, cwd=work, stdout=log, stderr=log, env=ENVIRONMENT | (environment or {}) | {MARK: self.mark}
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def lines(self):
        """The program's own lines in the log."""
        return [line for line in self.log().splitlines() if line.startswith("apportion: ")]

    def processes(self):
        """Maps each process to its rank; None for the launcher and the like."""
        found = {}
        self.process.poll()  # so that it does not stay a zombie
        for place in pathlib.Path("/proc").iterdir():
            if not place.name.isdigit():
                continue
            try:
                environment = (place / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in environment:
                ranks = [part.partition(b"=")[2] for part in environment if part.startswith(b"OMPI_COMM_WORLD_RANK=")]
                found[int(place.name)] = int(ranks[0]) if ranks else None
        return found

    def of_rank(self, rank):
        """The rank's process; None if it is not there (yet)."""
        if self.ranks == 1:
            return self.process.pid if self.process.poll() is None else None
        return next((process for process, its in self.processes().items() if its == rank), None)

    def signal(self, number, rank=0):
        """Sends a signal to a rank; False if it had already ended."""
        process = self.of_rank(rank)
        return process is not None and send(process, number)

    def is_member(self):
        """Whether the current process has registered in the folder."""
        process = self.of_rank(0)
        return process is not None and any(name.split("-")[-2] == str(process) for name in names(self.folder / "members"))

    def is_gone(self):
        """Waits until all its processes are gone."""
        wait_for(lambda: not self.processes(), lambda: f"processes left: {self.processes()}\n{self.log()}", LEFT_S)
        self.process.wait()
        return True

    def ends(self, code=0, seconds=300):
        self.process.wait(seconds)
        assert self.process.returncode == code, f"exit code {self.process.returncode} instead of {code}\n{self.log()}"
        self.is_gone()


def send(process, number):
    try:
        os.kill(process, number)
        return True
    except ProcessLookupError:
        return False


def end_all():
    """Kills processes that a failed assertion left behind, found by their mark."""
    for place in pathlib.Path("/proc").iterdir():
        try:
            ours = place.name.isdigit() and f"\0{MARK}={os.getpid()}-".encode() in b"\0" + (place / "environ").read_bytes()
        except OSError:
            continue
        if ours:
            send(int(place.name), signal.SIGKILL)


def enter_mounts():
    """Restarts this script where nobody else sees what it mounts and the kernel unmounts it at the end."""
    if os.environ.get("APPORTION_MOUNTS") == "1":
        return
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        print(f"FAILED: it needs root with the right to mount ({tried.stderr.strip()})")
        sys.exit(1)
    os.environ["APPORTION_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])


def names(folder):
    return [name for name in os.listdir(folder) if not name.startswith(".")] if folder.is_dir() else []


def call(*words, code=0, cwd=None):
    return common.call(*words, code=code, cwd=cwd, environment=ENVIRONMENT)


def results(folder):
    """Identifies each finished task's file; a rewritten file differs."""
    found = {}
    for path in folder.glob("tasks/*/result.h5"):
        status = path.stat()
        found[path.parent.name] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


def check_kept(before, folder, what):
    after = results(folder)
    lost = {task for task, file in before.items() if after.get(task) != file}
    assert not lost, f"{what}: finished tasks are lost or were done again: {lost}"


def check_finished(folder, expected):
    """Everything is there, undamaged, and the same as from a single undisturbed run."""
    assert common.contents(folder) == expected, f"other results than a single run's, or not all, in {folder}"
    assert f"{len(expected)} results, 0 damaged" in call("verify", folder).stdout
    assert f"{len(expected)} tasks: {len(expected)} done\n" in call("status", folder).stdout
    assert not list(folder.glob("tasks/*/checkpoint")), "checkpoints of finished tasks stay"


def undisturbed(work):
    """Runs the sweep alone and returns its digests."""
    Run(work / "single").ends()
    expected = common.contents(work / "single")
    assert len(expected) == TASKS, len(expected)
    return expected
