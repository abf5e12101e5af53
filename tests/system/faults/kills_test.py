"""Two runs work on one sweep, one of them on two ranks, while something is killed again and again: a rank, rank 0, the
launcher, the other run, a run that has just begun to recover, or all at once. Ranks are also stopped, for long and for
a moment. No finished task is lost, no process is left, and the results are those of a single undisturbed run.
APPORTION_KILLS is the number of kills; APPORTION_KILL_SEED repeats their order and moments as far as the machine's
timing allows."""

import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import tempfile
import time

import h5py
import toy

KILLS = int(os.environ.get("APPORTION_KILLS", "200" if toy.LONG else "30"))
SEED = int(os.environ.get("APPORTION_KILL_SEED", "0")) or int.from_bytes(os.urandom(4), "big") + 1
LONGEST_DELAY_S = 0.5
SILENCE_S, LEASE_S = 4, 5
OPTIONS = ["--checkpoint_steps=3", "--quiet=false"]
KINDS = ["worker", "coordinator", "launcher", "alone", "recovering pair", "recovering alone", "all"]


class Lab:
    """The folder, the two runs in it, and what has been seen so far."""

    def __init__(self, work, expected):
        self.work, self.expected = work, expected
        self.folder = work / "shared"
        self.kept, self.ends, self.lost = {}, 0, 0
        self.start()

    def start(self):
        self.pair, self.alone = self.new_pair(), self.new_alone()

    def new_pair(self):
        """A run on two ranks: each works on its own task, or both on one."""
        return toy.Run(self.folder, *OPTIONS, f"--group_size={random.choice([1, 2])}", ranks=2)

    def new_alone(self):
        return toy.Run(self.folder, *OPTIONS)

    def note(self, what):
        """Checks that nothing finished was lost, and remembers what is finished now."""
        toy.check_kept(self.kept, self.folder, what)
        self.kept = toy.results(self.folder)

    def is_finished(self):
        return self.pair.process.poll() is not None and self.alone.process.poll() is not None

    def begin_anew(self):
        """Both runs are finished: checks the end and starts again in an empty folder."""
        self.check_end()
        shutil.rmtree(self.folder)
        self.kept = {}
        self.start()

    def check_end(self):
        for run in (self.pair, self.alone):
            run.ends()
        self.note("at the end")
        toy.check_finished(self.folder, self.expected)
        check_files(self.folder, self.work / "single")
        lost = toy.common.events(self.folder, "lost")
        self.ends, self.lost = self.ends + 1, self.lost + len(lost)

    def hit(self, kind):
        """Kills something of this kind; returns whether it was still there."""
        if not self.is_finished():
            toy.wait_for(lambda: self.pair.is_member() or self.alone.is_member() or self.is_finished(), "no run begins")
        time.sleep(random.uniform(0, LONGEST_DELAY_S))
        if kind == "all":
            hits = [toy.send(process, signal.SIGKILL) for run in (self.pair, self.alone) for process in run.processes()]
            self.replace("pair")
            self.replace("alone")
            return any(hits)
        name = "alone" if kind.endswith("alone") else "pair"
        run = getattr(self, name)
        toy.wait_for(lambda: run.is_member() or run.process.poll() is not None, "it does not begin")
        if kind == "launcher":
            hit = run.process.poll() is None and toy.send(run.process.pid, signal.SIGKILL)
        else:
            hit = run.signal(signal.SIGKILL, rank=1 if kind == "worker" else 0)
        if hit:
            self.replace(name)
        if hit and kind.startswith("recovering"):
            hit = self.hit_recovering(name)
        return hit

    def hit_recovering(self, name):
        """Kills the replacement run as soon as it is among the members, or a little later."""
        run = getattr(self, name)
        toy.wait_for(lambda: run.is_member() or run.process.poll() is not None, "it does not begin")
        time.sleep(random.choice([0, 0, random.uniform(0, 0.3)]))
        hit = run.signal(signal.SIGKILL)
        if hit:
            self.replace(name)
        return hit

    def replace(self, name):
        """Replaces a killed run once all its processes are gone, which must be soon. It may have exit code 0 only if no
        work is left."""
        run = getattr(self, name)
        run.is_gone()
        assert run.process.returncode != 0 or not self.has_work(), f"a killed run ended well\n{run.log()}"
        setattr(self, name, self.new_pair() if name == "pair" else self.new_alone())

    def has_work(self):
        return len(toy.results(self.folder)) < toy.TASKS


def check_files(folder, single):
    """Every HDF5 file can be read, down to its last dataset, and the adapters are the single run's."""
    files = sorted(folder.glob("**/*.h5"))
    assert len(files) == toy.TASKS + 1, files  # and the index
    for path in files:
        with h5py.File(path) as file:
            file.visititems(lambda _, item: item[...] if isinstance(item, h5py.Dataset) else None)
    for path in sorted(single.glob("tasks/*/adapter/*.safetensors")):
        other = folder / path.relative_to(single)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest(), other


def kill_and_kill(lab):
    """Kills each kind about equally often, in random order."""
    plan = []
    kills = []
    while len(kills) < KILLS:
        plan = plan or random.sample(KINDS, len(KINDS))
        kind = plan.pop()
        if lab.hit(kind):
            kills.append(kind)
        lab.note(f"kill {len(kills)}, {kind}")
        if lab.is_finished():
            lab.begin_anew()
    # The members at work finish the sweep together.
    lab.check_end()
    return kills


def a_stopped_worker(work):
    """Rank 0 hears nothing from a stopped rank and ends the run, including the stopped process."""
    run = toy.Run(work / "silent", *OPTIONS, f"--silence_s={SILENCE_S}", ranks=2)
    toy.wait_for(lambda: toy.results(work / "silent"), "nothing is finished")
    kept = toy.results(work / "silent")
    assert run.signal(signal.SIGSTOP, rank=1)
    run.ends(1, 60)
    (line,) = run.lines()
    assert line == f"apportion: rank 1: no sign of life for {SILENCE_S} s (option silence_s)", line
    toy.check_kept(kept, work / "silent", "a stopped rank")


def a_stopped_coordinator(work, expected):
    """A brief stop does no harm. After a stop longer than lease_s another run has taken over the tasks; the stopped run
    ends as soon as it continues, and writes nothing more."""
    folder = work / "silent"
    run = toy.Run(folder, *OPTIONS, ranks=2)
    toy.wait_for(lambda: run.is_member() and toy.names(folder / "leases"), "it takes nothing")
    assert run.signal(signal.SIGSTOP)
    time.sleep(1)
    finished = len(toy.results(folder))
    assert run.signal(signal.SIGCONT)
    toy.wait_for(lambda: len(toy.results(folder)) >= finished + 2 or run.process.poll() is not None, lambda: run.log())
    assert run.process.poll() is None, f"it ended after a moment's stop\n{run.log()}"
    held = stopped_with_a_task(run, folder)
    toy.Run(folder, *OPTIONS, f"--lease_s={LEASE_S}").ends()
    whole = toy.results(folder)
    assert held <= set(whole), "its tasks were not taken over"
    assert run.signal(signal.SIGCONT)
    run.ends(1, 60)
    assert any("was taken over by another run" in line for line in run.lines()), run.log()
    assert toy.results(folder) == whole, "it has written what was not its own any more"
    # Its other rank has meanwhile kept training and saving: the next run clears that away.
    toy.Run(folder, *OPTIONS).ends()
    toy.check_finished(folder, expected)


def stopped_with_a_task(run, folder):
    """Stops rank 0 while the run works on a task, and returns its tasks."""
    while True:
        toy.wait_for(lambda: toy.names(folder / "leases") or run.process.poll() is not None, lambda: run.log())
        process = run.of_rank(0)
        assert run.signal(signal.SIGSTOP), f"it ended too early\n{run.log()}"
        toy.wait_for(lambda: state_of(process) in "TZ", "it does not stop")
        held = set(toy.names(folder / "leases")) - set(toy.results(folder))
        if held and not written(folder):  # else it is about to give the lease up, and need not notice that it is gone
            return held
        run.signal(signal.SIGCONT)


def written(folder):
    """Results that are being written."""
    return [path for task in toy.names(folder / "tasks") for path in (folder / "tasks" / task).glob("*.tmp.*")]


def stopped_in_a_result(folder):
    """A run stopped while it was writing a result, which takes some milliseconds."""
    end, run = time.monotonic() + 120, None
    while time.monotonic() < end:
        if run is None or run.process.poll() is not None:
            shutil.rmtree(folder, ignore_errors=True)
            run = toy.Run(folder, *OPTIONS)
        if written(folder) and run.signal(signal.SIGSTOP):
            toy.wait_for(lambda: state_of(run.process.pid) in "TZ", "it does not stop")
            if written(folder):
                return run
            run.signal(signal.SIGCONT)
        time.sleep(0.0005)
    raise AssertionError("no result was seen on its way")


def a_run_stopped_while_it_writes(work, expected):
    """A run stopped for longer than lease_s in the middle of writing a result does not overwrite what another run has
    written meanwhile."""
    folder = work / "writing"
    run = stopped_in_a_result(folder)
    (prepared,) = written(folder)
    toy.Run(folder, *OPTIONS, f"--lease_s={LEASE_S}").ends()
    whole = toy.results(folder)
    assert prepared.parent.name in whole, "its task was not taken over"
    assert run.signal(signal.SIGCONT)
    run.ends(1, 60)
    assert any("was taken over by another run" in line for line in run.lines()), run.log()
    assert toy.results(folder) == whole, "it has written what was not its own any more"
    assert not written(folder), "it has left a result that nobody reads"
    toy.check_finished(folder, expected)


def state_of(process):
    """The process's state, one letter; T means stopped."""
    return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def a_task_that_kills(work):
    """Members of a batch job set aside a task that two of them died on, and say why; a third goes on to the next task."""
    folder, words = work / "deadly", ["--quiet=false", "--sft_steps=1000000"]
    for number in range(3):
        run = toy.Run(folder, *words, environment={"SLURM_JOB_ID": "7"})
        toy.wait_for(lambda: len(taken_first_stages(folder)) > number, lambda: run.log())
        if number < 2:
            assert run.signal(signal.SIGKILL)
            run.is_gone()
    tasks = taken_first_stages(folder)
    assert tasks[0] == tasks[1] != tasks[2], tasks
    status = toy.call("status", folder).stdout
    assert re.search(r"^set aside: stage 1 \(target=real, seed=0\): its run \S+ was killed \(out of memory\?", status, re.M), status
    assert run.signal(signal.SIGTERM)
    run.ends(85, 60)


def taken_first_stages(folder):
    """The stage-1 tasks in the order in which they were taken."""
    taken = [record for _, record in toy.common.records(folder) if record["event"] == "taken" and record["label"] == "stage 1"]
    return [record["task"] for record in sorted(taken, key=lambda record: record["time"])]


def main():
    random.seed(SEED)
    print(f"seed {SEED}", flush=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="apportion_system."))
    try:
        toy.write_sweep(work)
        expected = toy.undisturbed(work)
        begun = time.monotonic()
        lab = Lab(work, expected)
        kills = kill_and_kill(lab)
        seconds = time.monotonic() - begun
        a_stopped_worker(work)
        a_stopped_coordinator(work, expected)
        a_run_stopped_while_it_writes(work, expected)
        a_task_that_kills(work)
        assert lab.lost > 0, "no kill hit a task"
    finally:
        toy.end_all()
    shutil.rmtree(work)
    counted = ", ".join(f"{kind} {kills.count(kind)}" for kind in KINDS)
    print(f"{len(kills)} kills in {seconds:.0f} s ({counted}): {lab.lost} tasks were taken over, {lab.ends} times the end was that of an undisturbed run")


if __name__ == "__main__":
    main()
