"""Helpers for the Python scripts here. Not a test itself."""

import glob
import json
import os
import re
import subprocess
import time

APPORTION = os.environ["APPORTION_BIN"]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]
UNIT_TESTS = os.path.join(os.environ["APPORTION_BUILD"], "tests", "unit_shared")


# Subject names that an output format could mistake for its own markup, or that change how text looks.
HOSTILE = {
    "<script>alert(1)</script>": "ball",
    "حداد ماهر \u202egnp.exe": "ring",
    "🧑\u200d🚒 & \"quoted\" 'names'": "cube",
    "long " + "name " * 59: "ball",
}


def write_small_job(folder):
    """Writes the small job to a folder: small.ini, model.gguf and the dataset colours (tests/support/small_job.h)."""
    subprocess.run(
        [UNIT_TESTS, "--gtest_filter=SmallJob.IsWrittenForSystemTests"],
        env=os.environ | {"APPORTION_SMALL_JOB": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def call(*words, code=0, ranks=1, cwd=None, environment=None):
    """Runs the program to its end and expects this exit code (mpirun's, for several ranks)."""
    launch = [*MPIRUN, str(ranks)] if ranks > 1 else []
    command = [*launch, APPORTION, *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, f"{words}: exit code {done.returncode} instead of {code}\n{done.stdout}{done.stderr}"
    return done


def wait_for(condition, what, seconds=60):
    """Waits for the condition. `what` is the failure's text, or a function that makes it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.01)


def contents(folder):
    """The content digest of each finished task, by id: equal when two runs agree to the byte."""
    found = {}
    for path in glob.glob(f"{folder}/tasks/*/result.h5"):
        shown = subprocess.run(["h5dump", "-a", "/content", path], check=True, capture_output=True, text=True).stdout
        found[path.split("/")[-2]] = re.search(r'\(0\): "(\w{64})"', shown).group(1)
    return found


def records(folder):
    """(file, record) for all journals of a results folder, each in its own order."""
    return [(path, json.loads(line[17:])) for path in glob.glob(f"{folder}/journal/*.log") for line in open(path)]


def events(folder, event):
    """The tasks for which journals record this event."""
    return [record["task"] for _, record in records(folder) if record["event"] == event]
