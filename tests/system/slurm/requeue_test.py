"""Jobs that a real Slurm interrupts: signalled before the time limit (both launchers, two nodes), requeued without
warning, never getting anywhere, or with a killed daemon. Each continues where it was and reaches the digests of an
uninterrupted run, or ends with the exit code that says why. With APPORTION_LONG=1 Slurm itself sends the signal, at a
time limit."""

import os
import pathlib
import re
import subprocess
import sys

import lab

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
LONG = os.environ.get("APPORTION_LONG") == "1"
WORK = lab.LAB / "work"
STEPS = 250
ENDLESS = 1_000_000
JOB = ["--method=kl-only", "--calibrate_steps=3", "--rounds=5", "--exact_nodes=4", "--quiet=false"]


class Submitted:
    """A submitted job with its own folder."""

    def __init__(self, name, *options, site="", steps=STEPS):
        self.name, self.folder = name, WORK / name
        (WORK / f"{name}.ini").write_text((WORK / "small.ini").read_text())
        (WORK / f"{name}.site").write_text(site)
        words = [f"{name}.ini", "--site", f"{name}.site", f"--output={name}", f"--sft_steps={steps}", *JOB, *options]
        said = subprocess.run([APPORTION, "submit", *words], cwd=WORK, capture_output=True, text=True, check=True).stdout
        self.job = re.search(r"^job (\d+)$", said, re.M).group(1) + "_0"

    def log(self):
        file = self.folder / "slurm" / f"{self.name}-{self.job}.out"
        return file.read_text() if file.exists() else "nothing was printed"

    def tail(self):
        return f"{self.name}:\n{self.log()[-2500:]}"

    def trains(self):
        """Waits until it is in stage 1."""
        lab.until(f"{self.name} trains", lambda: re.search(r"stage 1 +\d+/", self.log()), 120)

    def restarts(self):
        return int(lab.job(self.job)["Restarts"])

    def ends(self, code, seconds=400):
        ended = lab.end_of(self.job, seconds)
        assert ended == code, f"{self.name} ended with {ended} instead of {code}\n{self.tail()}"


def digests(folder):
    found = common.contents(folder)
    assert len(found) == 5, found
    return found


def ranks_of(name):
    """The processes of the job in this folder."""
    return [int(line) for line in lab.output("pgrep", "-f", "--", f"run .*--output={name} ").split()]


def check_went_on(job, reason):
    """The job went on from where it was stopped. The rank that trains and the one that measures report their places in the
    order in which they stop."""
    line = rf"^apportion: stopped by {reason} at (?:unit .* and )?step (\d+) of {STEPS} \(stage 1\)(?: and unit .*)?; the same command goes on from there$"
    stopped = re.findall(line, job.log(), re.M)
    went_on = re.findall(rf"stage 1: goes on from step (\d+) of {STEPS} ", job.log())
    assert len(stopped) == 1 and stopped == went_on and 0 < int(stopped[0]) < STEPS, job.log()
    assert f"apportion: requeues {job.job}\n" in job.log(), job.log()


def kill_daemon(job):
    """Kills the daemon on rank 1's node, where mpirun itself is not running: mpirun ends, and no rank may stay."""
    job.trains()
    (daemon,) = {line for line in lab.output("pgrep", "-x", "orted").split()}
    subprocess.run(["kill", "-KILL", daemon], check=True)
    lab.until("all ranks of the killed daemon end", lambda: not ranks_of(job.name), 10)
    assert lab.end_of(job.job) not in (0, 85)


def preempt(job):
    """Slurm requeues the job without a reliable warning to its ranks: it continues from what they had saved."""
    job.trains()
    lab.until("a checkpoint", lambda: list(job.folder.glob("tasks/*/checkpoint/*/COMPLETE")), 60)
    subprocess.run(["scontrol", "requeue", job.job], check=True)


def signal(job):
    job.trains()
    subprocess.run(["scancel", "--signal=USR1", "--batch", job.job], check=True)


def direct(name="direct", steps=STEPS):
    with (WORK / f"{name}.log").open("w") as log:
        command = [APPORTION, "run", "small.ini", f"--output={name}", f"--sft_steps={steps}", *JOB]
        subprocess.run(command, cwd=WORK, stdout=log, stderr=log, check=True)
    return digests(WORK / name)


def main():
    lab.enter()
    WORK.mkdir()
    common.write_small_job(WORK)
    # While one job waits in the queue again, the next one uses the cores.
    stuck = Submitted("stuck", site=f"container = {pathlib.Path(__file__).parent}/too_soon.sh\n", steps=ENDLESS)
    mpirun = Submitted("mpirun", site="ranks = 2\n")
    signal(mpirun)
    srun = Submitted("srun", site="ranks = 2\nranks_a_node = 1\nlauncher = srun --mpi=pmix\n")
    signal(srun)
    preempted = Submitted("preempted", "--checkpoint_steps=5")
    preempt(preempted)
    kill_daemon(Submitted("orphans", site="ranks = 2\nranks_a_node = 1\n", steps=ENDLESS))
    expected = direct()
    for job in (mpirun, srun, preempted):
        job.ends(0)
        assert job.restarts() == 1, f"{job.name} was started again {job.restarts()} times\n{job.tail()}"
        assert digests(job.folder) == expected, f"{job.name} came to another result"
        assert not list((job.folder / "slurm").glob("restarts-*")), "what counts restarts stays behind a finished job"
    check_went_on(mpirun, "SIGUSR1")
    check_went_on(srun, "SIGUSR1")
    assert re.search(r"stage 1: goes on from step [1-9]", preempted.log()), preempted.log()
    stuck.ends(93)
    assert stuck.restarts() == 2, stuck.log()
    (line,) = re.findall(r"^apportion: stopped by SIGUSR1; two restarts of job .*$", stuck.log(), re.M)
    assert stuck.job in line, line
    if LONG:
        time_limit()
    print(f"{5 + LONG} jobs came to their end")


def time_limit():
    """Runs enough steps for twice the time limit, judging by the direct run's speed. Slurm checks twice a minute and may
    send the signal up to half a minute early."""
    times = {record["event"]: record["time"] for _, record in common.records(WORK / "direct") if record.get("label") == "stage 1"}
    steps = int(STEPS * 120 / (times["done"] - times["taken"]))
    job = Submitted("limit", "--end_grace_s=20", site="time = 1\nranks = 2\n", steps=steps)
    job.ends(0, 1200)
    assert job.restarts() > 0 and re.search(rf"^apportion: stopped by .* at step [1-9]\d* of {steps} ", job.log(), re.M), job.log()
    assert digests(job.folder) == direct("long", steps)
    print(f"{steps} steps, {job.restarts()} times a time limit")


main()
