"""Checks that two results folders have the same bytes wherever these must not depend on how the job was run: compares the
SHA-256 of adapters and, for result files, the digest of what has to be equal (the root attribute `content`). If they differ,
prints what differs, with exit status 1. Needs h5py or the program h5dump.

Usage: digests.py FOLDER OTHER
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path


def content_of(path):
    """The attribute `content`; exits with what is missing if it cannot be read."""
    try:
        import h5py
    except ImportError:
        h5py = None
    if h5py:
        with h5py.File(path, "r") as file:
            value = file.attrs.get("content", "")
            return value.decode() if isinstance(value, bytes) else str(value)
    try:
        text = subprocess.run(["h5dump", "-a", "/content", path], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        sys.exit("neither Python's h5py nor h5dump is here: one of them reads result files")
    found = re.search(r'\(0\): "(.*)"', text)
    return found.group(1) if found else ""


def digests_of(folder):
    """Maps paths below the folder to their digests."""
    tasks = Path(folder) / "tasks"
    found = {}
    for path in sorted(tasks.rglob("adapter_model.safetensors")):
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(tasks.rglob("result.h5")):
        content = content_of(path)
        if not content:
            sys.exit(f"{path} has no digest of its content")
        found[str(path.relative_to(folder))] = content
    if not found:
        sys.exit(f"{folder} has no results")
    return found


def main(one, other):
    left, right = digests_of(one), digests_of(other)
    if left == right:
        print(f"the same {len(left)} digests")
        return 0
    for path in sorted(left.keys() | right.keys()):
        if left.get(path) != right.get(path):
            print(f"{path}: {left.get(path, 'not there')} and {right.get(path, 'not there')}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
