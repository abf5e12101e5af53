"""Hosts whose clocks are an hour ahead or behind, and clocks that jump while a run works. No task is taken from a live
run, a dead run holds its task no longer than usual, what failed is tried again, nothing is cleared away from under a
run, and the results are the same as with correct clocks."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import toy

HOUR = 3600
LEASE_S = 5  # the least that the program accepts
OPTIONS = ["--checkpoint_steps=3", "--quiet=false"]
ENDLESS = [*OPTIONS, "--sft_steps=1000000"]


class Clock:
    """A host's clock; runs on that host get environment()."""

    def __init__(self, work, name, shift):
        self.path, self.library = work / f"{name}.clock", work / "shifted_clock.so"
        self.set(shift)

    def set(self, shift):
        new = self.path.with_suffix(".new")
        new.write_text(f"{shift}\n")
        new.rename(self.path)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.path)}


def make_clock(work):
    source = pathlib.Path(__file__).parent / "shifted_clock.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", work / "shifted_clock.so", source, "-ldl"], check=True)
    clock = Clock(work, "ahead", HOUR)
    told = subprocess.run(["date", "+%s"], env=os.environ | clock.environment(), capture_output=True, text=True, check=True).stdout
    assert abs(int(told) - time.time() - HOUR) < 60, "the clock is not shifted"


def of_program(work, clock, *words, code=0):
    done = subprocess.run([toy.APPORTION, *map(str, words)], cwd=work, env=toy.ENVIRONMENT | clock.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}: exit code {done.returncode} instead of {code}\n{done.stdout}{done.stderr}"
    return done


def three_clocks(work, expected):
    """Three runs on one sweep: one clock is ahead, one behind, one jumps back and forth."""
    folder = work / "three"
    clocks = [Clock(work, "ahead", HOUR), Clock(work, "behind", -HOUR), Clock(work, "jumping", 0)]
    runs = [toy.Run(folder, *OPTIONS, environment=clock.environment()) for clock in clocks]
    shift = 0
    while runs[2].process.poll() is None:
        time.sleep(0.5)
        shift = HOUR if shift <= 0 else -HOUR
        clocks[2].set(shift)
    for run in runs:
        run.ends()
    toy.check_finished(folder, expected)
    done = toy.common.events(folder, "done")
    assert len(done) == len(set(done)) == toy.TASKS, "a task was done twice"
    assert not toy.common.events(folder, "lost"), "a task was taken from a run that was alive"
    workers = {path for path, record in toy.common.records(folder) if record["event"] == "done"}
    assert len(workers) > 1, "one run has done it all"
    times = [record["time"] for _, record in toy.common.records(folder)]
    assert max(times) - min(times) > 1.5 * HOUR, "the clocks agreed"


def another_host(work, clock, name):
    """A run on another host, whose process cannot be seen from here: only its signs of life count."""
    prefix = ["unshare", "--uts", "sh", "-c", f'hostname {name} && exec "$@"', "sh"]
    folder = work / name
    far = toy.Run(folder, *ENDLESS, environment=clock.environment(), prefix=prefix, job="small.ini")
    trains = lambda: any(record.get("label") == "stage 1" for _, record in toy.common.records(folder))
    toy.wait_for(trains, lambda: f"{name} takes nothing\n{far.log()}")
    return folder, far


def a_far_run(work, shift):
    """A live run keeps its task whatever time others think it is; a dead one loses it. Returns for how many seconds the
    dead run still held it."""
    where = "ahead" if shift > 0 else "behind"
    own, far_clock = Clock(work, f"against-{where}", -shift), Clock(work, f"far-{where}", shift)
    folder, far = another_host(work, far_clock, f"far{where}")
    for clock in (own, far_clock):
        said = of_program(work, clock, "status", folder).stdout
        assert "at work: far" in said and "lost" not in said, said
        refused = of_program(work, clock, "gc", folder, "--yes", code=2).stderr
        assert "works in" in refused, refused
    near = toy.Run(folder, *ENDLESS, f"--lease_s={LEASE_S}", environment=own.environment(), job="small.ini")
    toy.wait_for(near.is_member, "the near run does not begin")
    time.sleep(2 * LEASE_S)
    assert not lost_from_far(folder), "a task was taken from a run that was alive"
    far.signal(signal.SIGKILL)
    far.is_gone()
    begun = time.monotonic()
    toy.wait_for(lambda: lost_from_far(folder), lambda: f"the dead run's task is held for ever\n{near.log()}", 60)
    held_s = time.monotonic() - begun
    near.signal(signal.SIGKILL)
    near.is_gone()
    return held_s


def lost_from_far(folder):
    return [record for _, record in toy.common.records(folder) if record["event"] == "lost" and record["other"].startswith("far")]


def a_failure_in_the_future(work, expected):
    """A task that failed twice on a host whose clock is ahead is tried again after `retry` on a host with the right time."""
    folder, ahead, right = work / "failing", Clock(work, "ahead", HOUR), Clock(work, "right", 0)
    first = next(record["task"] for _, record in toy.common.records(work / "single") if record.get("label") == "stage 1")
    place = folder / "tasks" / first
    place.mkdir(parents=True)
    (place / "adapter").write_text("in the way")
    batch = {"SLURM_JOB_ID": "7"}
    for _ in range(2):
        toy.Run(folder, *OPTIONS, environment=batch | ahead.environment()).ends(2)
    run = toy.Run(folder, *OPTIONS, environment=batch)
    run.ends(1)
    assert "set aside" in run.log(), run.log()
    (place / "adapter").unlink()
    assert "1 tasks are tried again" in of_program(work, right, "retry", folder).stdout
    toy.Run(folder, *OPTIONS, environment=batch).ends()
    toy.check_finished(folder, expected)


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="apportion_system."))
    try:
        toy.write_sweep(work)
        make_clock(work)
        expected = toy.undisturbed(work)
        three_clocks(work, expected)
        with concurrent.futures.ThreadPoolExecutor() as pool:  # both mostly wait
            held = list(pool.map(lambda shift: a_far_run(work, shift), (HOUR, -HOUR)))
        a_failure_in_the_future(work, expected)
    finally:
        toy.end_all()
    shutil.rmtree(work)
    print(f"a dead run on a host whose clock was ahead held its task for {held[0]:.1f} s, one behind for {held[1]:.1f} s")


if __name__ == "__main__":
    main()
