"""A sweep as an array of three members on a real Slurm, one of which is requeued and one killed outright: no task is done
twice, and the results are a single run's. With APPORTION_LONG=1: 60 cells, four members, many requeues."""

import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import lab

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
LONG = os.environ.get("APPORTION_LONG") == "1"
WORK = lab.LAB / "work"
CELLS, MEMBERS, REQUEUES = (60, 4, 20) if LONG else (8, 3, 1)
JOB = ["--method=kl-only", "--sft_steps=60", "--calibrate_steps=3", "--rounds=5", "--exact_nodes=4", "--test_sets=v2", "--quiet=false",
       "--checkpoint_steps=10", f"--sweep=seed=0..{CELLS // 2 - 1}", "--sweep=target=real,even"]


def done(folder):
    return common.events(folder, "done")


def members(job):
    return [f"{job}_{number}" for number in range(MEMBERS)]


def workers(folder):
    """The journals of runs that have finished a task."""
    return {path for path, record in common.records(folder) if record["event"] == "done"}


def at_work(folder):
    """The processes that are at work in the folder, by the members of the job that they belong to."""
    found = {}
    for path in folder.glob("members/[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # it has just left
            sign = json.loads(path.read_text())
            if os.path.exists(f"/proc/{sign['process']}"):
                found[sign["slurm_job"]] = sign["process"]
    return found


def running_in(folder):
    """Those of the job's members that Slurm says are running."""
    return {member: process for member, process in at_work(folder).items() if lab.state(member) == "RUNNING"}


def interrupt(folder):
    """While there is work, requeues members and kills the rank of another one. Not before two have finished something: a
    requeued member waits in the queue for as long as Slurm likes, and the last one left may do all the rest."""
    tasks = CELLS // 2 + 3 * CELLS
    random.seed(7)
    lab.until("two members have finished a task", lambda: len(workers(folder)) > 1, 200)
    for number in range(REQUEUES):
        count = len(done(folder))
        lab.until("tasks are done", lambda: len(done(folder)) > count or len(done(folder)) >= tasks - 2, 200)
        if number == 0:
            lab.until("two members are at work", lambda: len(running_in(folder)) > 1, 200)
        running = running_in(folder)
        if running and len(done(folder)) < tasks - 2:
            requeued = random.choice(sorted(running))
            subprocess.run(["scontrol", "requeue", requeued], check=False, capture_output=True)
            del running[requeued]
        if number == 0:
            left = tasks - len(done(folder))
            assert left > MEMBERS, f"only {left} tasks are left when a member is killed"
            subprocess.run(["kill", "-KILL", str(running[max(running)])], check=True)


def preempted(folder):
    """How many tasks were lost, and how many of those by runs that had noted being asked to stop."""
    asked = {pathlib.Path(path).stem for path, record in common.records(folder) if record["event"] == "stopping"}
    lost = [record["other"] for _, record in common.records(folder) if record["event"] == "lost"]
    return len(lost), sum(member in asked for member in lost)


def main():
    lab.enter()
    WORK.mkdir()
    common.write_small_job(WORK)
    (WORK / "array.ini").write_text((WORK / "small.ini").read_text())
    (WORK / "site.ini").write_text("")
    words = ["array.ini", "--site", "site.ini", "--output=array", "--members", str(MEMBERS), *JOB]
    said = subprocess.run([APPORTION, "submit", *words], cwd=WORK, capture_output=True, text=True, check=True).stdout
    job = re.search(r"^job (\d+)$", said, re.M).group(1)
    interrupt(WORK / "array")
    for member in members(job):
        lab.end_of(member, 1500)
    with (WORK / "direct.log").open("w") as log:
        subprocess.run([APPORTION, "run", "array.ini", "--output=direct", *JOB], cwd=WORK, stdout=log, stderr=log, check=True)
        # Finishes what a killed member left if no other member was there any more.
        subprocess.run([APPORTION, "run", "array.ini", "--output=array", *JOB], cwd=WORK, stdout=log, stderr=log, check=True)
    finished = done(WORK / "array")
    logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in (WORK / "array/slurm").glob("*.out"))
    assert len(finished) == len(set(finished)) == CELLS // 2 + 3 * CELLS, f"a task was done twice, or not at all\n{logs}"
    assert common.contents(WORK / "array") == common.contents(WORK / "direct"), "other results than a single run's"
    assert len(set(common.events(WORK / "array", "taken"))) == len(finished)
    by_slurm = workers(WORK / "array")
    assert len(by_slurm) > 1, f"only one member has done something\n{logs}"
    for path in (WORK / "array/slurm").glob("*.out"):
        assert "set aside" not in path.read_text(errors="replace"), f"preemption has made a task fail\n{logs}"
    lost, asked = preempted(WORK / "array")
    print(f"{CELLS} cells, {MEMBERS} members, {len(by_slurm)} runs that did something, {len(finished)} tasks; {lost} were lost, {asked} of them by runs that had been asked to stop")


main()
