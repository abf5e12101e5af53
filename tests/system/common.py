"""What the Python scripts here share. Not a test itself."""

import glob
import os
import re
import subprocess

UNIT_TESTS = os.path.join(os.environ["APPORTION_BUILD"], "tests", "unit_shared")


def write_small_job(folder):
    """The small job in a folder: small.ini, model.gguf and the dataset colours (tests/support/small_job.h)."""
    subprocess.run(
        [UNIT_TESTS, "--gtest_filter=SmallJob.IsWrittenForSystemTests"],
        env=os.environ | {"APPORTION_SMALL_JOB": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def contents(folder):
    """The digest of each finished task's content, by id: equal where two runs agree to the byte."""
    found = {}
    for path in glob.glob(f"{folder}/tasks/*/result.h5"):
        shown = subprocess.run(["h5dump", "-a", "/content", path], check=True, capture_output=True, text=True).stdout
        found[path.split("/")[-2]] = re.search(r'\(0\): "(\w{64})"', shown).group(1)
    return found
