"""Several runs of one sweep in one folder at once: no task is done twice, and the results are a single run's, byte for
byte. A killed run's task continues elsewhere; status, retry and verify say what is in the folder."""

import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")} | {"OMP_NUM_THREADS": "1"}
SHORT = "sft_steps = 4\ncalibrate_steps = 2\nsubjects = 2\ntest_sets = v2\nexact_nodes = 4\n"
SWEEP = "[sweep]\ntarget = real, even\nseed = 0..3\n"
TASKS = 4 + 2 * 4 * 3  # the untouched model at each seed; two stages and a measurement per cell


def start(*words, **environment):
    with open("started.log", "a") as log:
        return subprocess.Popen([APPORTION, *words], stdout=log, stderr=subprocess.STDOUT, env=ENVIRONMENT | environment)


def call(*words, code=0, **environment):
    return common.call(*words, code=code, environment=ENVIRONMENT | environment)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def wait_for(condition, what, seconds=60):
    common.wait_for(condition, lambda: f"{what}\n{open('started.log').read()}", seconds)


def several_at_once():
    call("run", "sweep.ini", "--output", "single")
    assert len(common.contents("single")) == TASKS
    members = [start("run", "sweep.ini", "--output", "shared") for _ in range(4)]
    for member in members:
        assert member.wait() == 0, open("started.log").read()
    assert common.contents("shared") == common.contents("single"), "the same bytes as a single run"
    done = common.events("shared", "done")
    assert len(done) == len(set(done)) == TASKS, "no task was done twice"
    assert sorted(common.events("shared", "taken")) == sorted(done + common.events("shared", "given_back"))
    workers = {member for member, record in common.records("shared") if record["event"] == "done"}
    assert len(workers) > 1, "more than one run has done something"
    assert os.listdir("shared/leases") == os.listdir("shared/members") == []
    for form in ([], ["--json"]):
        shown = [re.sub(r'"seconds": .*', "", call("report", folder, *form).stdout) for folder in ("shared", "single")]
        assert shown[0].replace("shared", "single") == shown[1], shown


def the_status():
    said = call("status", "shared").stdout
    assert f"sweep: 8 cells, {TASKS} tasks: {TASKS} done\n" in said and "at work" not in said, said
    (job,) = json.loads(call("status", "shared", "--json").stdout)["jobs"]
    assert job["counts"]["done"] == len(job["tasks"]) == TASKS
    assert "no jobs" in call("status", ".", code=2).stderr


def a_killed_run():
    """Another run at work takes the task over at once and continues from its checkpoint; a later run does too."""
    steps = ["--sft_steps", "600"]  # a fast machine takes a hundred per second
    long = ["run", "long.ini", "--output", "killed", "--checkpoint_steps", "5", "--quiet=false", *steps]
    first = start(*long)
    wait_for(lambda: glob.glob("killed/tasks/*/checkpoint/*/COMPLETE"), "the first run saves nothing")
    first.send_signal(signal.SIGSTOP)  # otherwise it may finish before the second run has begun
    assert "1 running" in call("status", "killed").stdout
    second = start(*long)
    wait_for(lambda: len(os.listdir("killed/members")) == 2, "the second run does not begin")
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: common.events("killed", "lost"), "the second run does not take over", 30)
    second.send_signal(signal.SIGKILL)
    second.wait()
    assert "lost:" in call("status", "killed").stdout
    said = call(*long).stderr
    assert "goes on from" in said and "taken over from" in said, said
    call("run", "long.ini", "--output", "unharmed", *steps)
    assert common.contents("killed") == common.contents("unharmed")
    assert len(common.events("killed", "lost")) == 2
    for path in glob.glob("killed/**/*.h5", recursive=True):
        subprocess.run(["h5dump", "-H", path], check=True, capture_output=True)


def a_stopped_run():
    """A run that is stopped for longer than lease_s loses its task, and writes nothing once it continues."""
    long = ["run", "long.ini", "--output", "stopped", "--lease_s", "5", "--quiet=false"]
    first = start(*long)
    wait_for(lambda: os.path.isdir("stopped/leases") and os.listdir("stopped/leases"), "the first run takes nothing")
    first.send_signal(signal.SIGSTOP)
    call(*long)
    whole = {path: os.stat(path).st_mtime_ns for path in glob.glob("stopped/tasks/*/result.h5")}
    first.send_signal(signal.SIGCONT)
    assert first.wait() != 0
    assert "taken over by another run" in open("started.log").read()
    assert {path: os.stat(path).st_mtime_ns for path in glob.glob("stopped/tasks/*/result.h5")} == whole
    call("run", "long.ini", "--output", "whole")
    assert common.contents("stopped") == common.contents("whole")


def failures():
    """In a batch job a task that failed twice is set aside until `retry`; a run started by hand tries it again."""
    first = next(record["task"] for _, record in common.records("single") if record.get("label") == "stage 1")
    os.makedirs(f"failing/tasks/{first}")
    write(f"failing/tasks/{first}/adapter", "in the way")
    for _ in range(2):
        said = call("run", "sweep.ini", "--output", "failing", code=2, SLURM_JOB_ID="7").stderr
        assert f"{first}/adapter" in said, said
    said = call("run", "sweep.ini", "--output", "failing", code=1, SLURM_JOB_ID="7").stderr
    assert "set aside" in said and "apportion retry" in said, said
    said = call("status", "failing").stdout
    assert "1 set aside" in said and re.search(r"set aside: stage 1 \(target=\w+, seed=\d\): .*adapter", said), said
    os.remove(f"failing/tasks/{first}/adapter")
    assert "1 tasks are tried again" in call("retry", "failing").stdout
    call("run", "sweep.ini", "--output", "failing", SLURM_JOB_ID="7")
    assert common.contents("failing") == common.contents("single")
    assert "no task has failed" in call("retry", "failing").stdout


def leaving():
    """With --leave a run does not wait for tasks that another run is working on."""
    first = start("run", "long.ini", "--output", "left")
    wait_for(lambda: any(record.get("label") == "stage 1" for _, record in common.records("left")), "stage 1 does not begin")
    first.send_signal(signal.SIGSTOP)
    said = call("run", "long.ini", "--output", "left", "--leave").stderr
    first.send_signal(signal.SIGCONT)
    assert "at work in other runs" in said, said
    assert first.wait() == 0


def whole_files():
    assert f"{TASKS} results, 0 damaged" in call("verify", "shared").stdout
    path = sorted(glob.glob("shared/tasks/*/result.h5"))[0]
    with open(path, "r+b") as file:
        file.seek(2000)
        byte = file.read(1)
        file.seek(2000)
        file.write(bytes([byte[0] ^ 1]))
    done = call("verify", "shared", code=1)
    assert path in done.stdout and "1 damaged" in done.stdout and path in done.stderr, done
    journal = sorted(glob.glob("shared/journal/*.log"))[0]
    with open(journal, "r+b") as file:
        file.seek(30)
        file.write(b"#")
    assert "2 damaged" in call("verify", "shared", code=1).stdout
    said = call("run", "sweep.ini", "--output", "shared").stderr
    assert "is damaged and skipped" in said and common.contents("shared") == common.contents("single"), said


def main():
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as folder, contextlib.chdir(folder):
        common.write_small_job(os.getcwd())
        with open("small.ini") as file:
            kept = [line for line in file if line.partition("=")[0].strip() not in SHORT]
        write("sweep.ini", "".join(kept) + SHORT + SWEEP)
        write("long.ini", "".join(kept) + SHORT.replace("sft_steps = 4", "sft_steps = 150"))
        for check in (several_at_once, the_status, a_killed_run, a_stopped_run, failures, leaving, whole_files):
            check()


if __name__ == "__main__":
    main()
