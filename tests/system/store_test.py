"""h5py and pandas read what the store and the export write, and docs/store.md describes it: every dataset has the type
and shape given there, and the page's examples run unchanged. A test of unit_shared makes the results."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import pandas

SOURCE = pathlib.Path(os.environ["APPORTION_SOURCE"])
UNIT_TESTS = pathlib.Path(os.environ["APPORTION_BUILD"]) / "tests" / "unit_shared"
SIZES = {"gender-us-real": {"S": 14, "P": 3, "K": 2}, "race-us-even": {"S": 14, "P": 3, "K": 5}}


def make_results(folder):
    subprocess.run(
        [UNIT_TESTS, "--gtest_filter=ExportCsv.WritesSampleResultsForPeers"],
        env=os.environ | {"APPORTION_PEER_RESULTS": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def documented_datasets():
    """Maps names to (type, shape), from the page's tables."""
    page = (SOURCE / "docs/store.md").read_text()
    rows = re.findall(r"^\| `(/[^`]+)` \| (\w+) \| ([^|]+?) \|", page, re.M)
    return {name: (kind, shape.split(", ")) for name, kind, shape in rows}


def datasets_of(file):
    found = {}
    file.visititems(lambda name, item: found.__setitem__("/" + name, item) if isinstance(item, h5py.Dataset) else None)
    return found


# Only present if stories are counted or there are too many answers to list; not so in the results here.
OF_STORIES = {"/rounds/no_story", "/rounds/failed", "/metrics/no_story_share"}
OF_MANY_ANSWERS = {"/rounds/unlisted", "/rounds/unlisted_answers"}


def kind_of(name):
    """The kind of task whose files contain this documented dataset."""
    if name in OF_STORIES:
        return "stories"
    if name in OF_MANY_ANSWERS:
        return "many answers"
    kinds = {"log": "training", "steps": "scale", "ranks": "scale", "keep": "retention", "text": "retention", "questions": "retention"}
    return kinds.get(name.split("/")[1], "measure")


def check_layout(file, documented, sizes):
    found = datasets_of(file)
    training = file.attrs["kind"] != "measure"
    expected = {name for name in documented if kind_of(name) == ("training" if training else "measure")}
    assert set(found) == expected, set(found) ^ expected
    sizes = dict(sizes, A=len(found["/answers/text"]) if not training else 0, T=30)
    sizes["K+2"] = sizes["K"] + 2
    for name, dataset in found.items():
        kind, shape = documented[name]
        text = h5py.check_string_dtype(dataset.dtype)
        assert (text.encoding if text else dataset.dtype.name) == ("utf-8" if kind == "text" else kind), name
        assert dataset.shape == tuple(sizes[axis] for axis in shape), (name, dataset.shape)
        assert dataset.chunks and (text or dataset.fletcher32), f"{name} has no checksum"
    assert file.attrs["version"] == 1
    assert hashlib.sha256(file.attrs["identity"].encode()).hexdigest() == file.attrs["task"]
    assert list(file["config"].attrs)[:2] == ["dataset", "model"]


def check_seal(path):
    data = path.read_bytes()
    assert f"sha256 of them: {hashlib.sha256(data[512:]).hexdigest()}\n".encode() in data[:512]
    assert h5py.File(path).userblock_size == 512


def check_csv(folder, index):
    rows = pandas.read_csv(folder / "shares.csv")
    assert len(rows) == 3 * 14 * 3 * (4 + 7), len(rows)
    for (cell, when, test_set), group in rows.groupby(["cell", "when", "test_set"]):
        file = index[f"jobs/smoke/{cell}/{when}/{test_set}"]
        counts = file["rounds/counts"][:]
        assert (group["count"].to_numpy().reshape(counts.shape) == counts).all()
        low = group[group.outcome == "category"]["exact_low"].to_numpy().reshape(file["exact/low"].shape)
        assert (low == file["exact/low"][:]).all()
        assert list(group.subject.unique()) == list(file["subjects"].asstr()[:])
        assert set(group[group.outcome != "category"].target.isna()) == {True}


def run_examples(folder):
    examples = re.findall(r"```python\n(.*?)```", (SOURCE / "docs/store.md").read_text(), re.S)
    assert len(examples) == 2
    for code in examples:
        output = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
        assert output.strip(), code


def main():
    documented = documented_datasets()
    with tempfile.TemporaryDirectory() as temporary:
        results = pathlib.Path(temporary) / "runs" / "smoke"
        make_results(results)
        index = h5py.File(results / "index.h5")
        checked = 0
        for dataset, sizes in SIZES.items():
            cell = index[f"jobs/smoke/{dataset}-full"]
            assert cell.attrs["cell"] == f"{dataset}-full"
            for name in ("before/v2", "after/v2", "after/heldout", "training/sft", "training/calibrate"):
                check_layout(cell[name], documented, sizes)
                check_seal(results / "tasks" / cell[name].attrs["task"] / "result.h5")
                checked += 1
        snowman = index["jobs/smoke/gender-us-real-full/before/v2/answers/text"].asstr()[:]
        assert any("\u2603" in text for text in snowman)
        check_csv(results, index)
        run_examples(temporary)
    print(f"{checked} files, {len(documented)} datasets")
    return 0 if checked == 10 and len(documented) > 30 else 1


if __name__ == "__main__":
    sys.exit(main())
