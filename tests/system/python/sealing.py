"""Sealed HDF5 files that a test writes or edits: like the program's, but for what the test makes wrong. Not a test itself."""

import contextlib
import hashlib
import json

import h5py
import numpy
from apportion_results.seal import SEAL_SIZE, seal_of
from apportion_results.task_file import ContentDigest


@contextlib.contextmanager
def edited(path):
    """Opens the file for changes and seals it again afterwards."""
    with h5py.File(path, "r+") as file:
        yield file
    reseal(path)


def reseal(path):
    with open(path, "r+b") as file:
        body = file.read()[SEAL_SIZE:]
        file.seek(0)
        file.write(seal_of(len(body), hashlib.sha256(body).hexdigest()))


def write_measure(folder, identity, inputs, arrays, test_set, config):
    """Writes a measure or judge task's result to a results folder, `arrays` in digest order. Returns the task's id."""
    identity_text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    task = hashlib.sha256(identity_text.encode()).hexdigest()
    digest = ContentDigest(identity_text)
    for name, array in arrays.items():
        digest.add_array(name, array)
    attributes = {"format": "apportion result", "task": task, "kind": identity["kind"], "label": "made by a test", "identity": identity_text,
                  "inputs": json.dumps(inputs, separators=(",", ":")), "test_set": test_set, "content": digest.hex(),
                  "config": json.dumps(config, separators=(",", ":"), ensure_ascii=False)}  # fmt: skip
    (folder / "tasks" / task).mkdir(parents=True)
    path = folder / "tasks" / task / "result.h5"
    with h5py.File(path, "w", libver=("v110", "v110"), userblock_size=SEAL_SIZE, track_order=True) as file:
        file.attrs["version"] = numpy.int64(3 if "/rounds/unlisted" in arrays else 2 if "reading" in identity else 1)
        file.attrs.update(attributes)
        file.create_group("config", track_order=True).attrs.update(config)
        file.create_group("about").attrs.update({"host": "a-test"})
        file.create_group("metrics")
        for name, array in arrays.items():
            kind = h5py.string_dtype() if array.dtype == object else array.dtype
            file.create_dataset(name, data=array, dtype=kind, chunks=tuple(max(1, size) for size in array.shape))
    reseal(path)
    return task
