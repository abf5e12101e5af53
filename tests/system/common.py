"""What the Python scripts here share. Not a test itself."""

import os
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
