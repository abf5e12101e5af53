"""What the Python scripts here share. Not a test itself."""

import glob
import json
import os
import re
import subprocess
import time

APPORTION = os.environ["APPORTION_BIN"]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]
UNIT_TESTS = os.path.join(os.environ["APPORTION_BUILD"], "tests", "unit_shared")


# Names of subjects that a form would take for its own signs, or that change how they look.
HOSTILE = {
    "<script>alert(1)</script>": "ball",
    "حداد ماهر \u202egnp.exe": "ring",
    "🧑\u200d🚒 & \"quoted\" 'names'": "cube",
    "long " + "name " * 59: "ball",
}


def write_small_job(folder):
    """The small job in a folder: small.ini, model.gguf and the dataset colours (tests/support/small_job.h)."""
    subprocess.run(
        [UNIT_TESTS, "--gtest_filter=SmallJob.IsWrittenForSystemTests"],
        env=os.environ | {"APPORTION_SMALL_JOB": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def call(*words, code=0, ranks=1, cwd=None, environment=None):
    """The program's end, with this exit code; of several ranks mpirun's."""
    launch = [*MPIRUN, str(ranks)] if ranks > 1 else []
    command = [*launch, APPORTION, *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, f"{words}: exit code {done.returncode} instead of {code}\n{done.stdout}{done.stderr}"
    return done


def wait_for(condition, what, seconds=60):
    """`what`: a text, or what makes one when it has not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.01)


def contents(folder):
    """The digest of each finished task's content, by id: equal where two runs agree to the byte."""
    found = {}
    for path in glob.glob(f"{folder}/tasks/*/result.h5"):
        shown = subprocess.run(["h5dump", "-a", "/content", path], check=True, capture_output=True, text=True).stdout
        found[path.split("/")[-2]] = re.search(r'\(0\): "(\w{64})"', shown).group(1)
    return found


def records(folder):
    """Of all journals of a results folder, in each one's order: (file, record)."""
    return [(path, json.loads(line[17:])) for path in glob.glob(f"{folder}/journal/*.log") for line in open(path)]


def events(folder, event):
    """The tasks that journals say this of."""
    return [record["task"] for _, record in records(folder) if record["event"] == event]
