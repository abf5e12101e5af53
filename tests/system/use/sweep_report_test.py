"""What a script wants from a sweep's folder: rows by keys as text and JSON, conditions that set the exit code, and CSV with
the swept keys. A missing result is in no mean and fails every condition. A test of unit_shared makes the folder."""

import contextlib
import csv
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402
from common import UNIT_TESTS  # noqa: E402

FIGURES = {
    "exact_error": lambda cell: cell["measures"][-1]["exact_error"],
    "worst_exact_error": lambda cell: cell["measures"][-1]["worst_exact_error"],
    "mae": lambda cell: cell["measures"][-1]["mae"],
    "floor": lambda cell: cell["measures"][-1]["floor"],
    "added_leak": lambda cell: cell["retention"]["unrelated"]["added_leak"],
    "kl_per_token": lambda cell: cell["retention"]["unrelated"]["kl_per_token"],
    "perplexity_ratio": lambda cell: cell["retention"]["perplexity"] / cell["retention"]["base_perplexity"],
}


def make_sweep(folder):
    subprocess.run([UNIT_TESTS, "--gtest_filter=CellFigures.WritesASampleSweepForTheProgram"],
                   env=os.environ | {"APPORTION_SAMPLE_SWEEP": folder}, check=True, stdout=subprocess.DEVNULL)


def call(*words, code=0):
    return common.call(*words, code=code, environment=os.environ | {"LC_ALL": "C.UTF-8"})


def by_keys():
    cells = json.loads(call("report", "swept", "--json").stdout)["cells"]
    by = json.loads(call("report", "swept", "--by", "target", "--json").stdout)
    assert [row["values"] for row in by["rows"]] == [{"target": "real"}, {"target": "0.9/0.1"}], "in the sweep's order"
    assert (by["left_out"], by["missing"], by["problems"]) == (0, [], [])
    for row in by["rows"]:
        of_row = [cell for cell in cells if cell["swept"]["target"] == row["values"]["target"]]
        assert len(of_row) == row["cells"] == 3
        for name, value_of in FIGURES.items():
            values = [value_of(cell) for cell in of_row]
            assert (row[name]["low"], row[name]["high"], row[name]["cells"]) == (min(values), max(values), 3), (name, row)
            assert abs(row[name]["mean"] - statistics.fmean(values)) < 1e-12, (name, row)
    lines = call("report", "swept", "--by", "target").stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["real", "3"])
    error = by["rows"][0]["exact_error"]
    assert lines[at].split()[2] == f"{error['mean']:.3f}" and lines[at + 1].split()[0] == f"{error['low']:.3f}..{error['high']:.3f}", lines
    table = [line.split() for line in call("report", "swept", "--by", "seed,target").stdout.splitlines()]
    rows = [line[:3] for line in table if line[1:2] in (["real"], ["0.9/0.1"])]
    assert rows == [[seed, target, "1"] for seed in "012" for target in ("real", "0.9/0.1")], rows
    said = call("report", "swept", "--by", "sed", code=2)
    assert said.stderr == "apportion: no cell of swept has swept 'sed'; did you mean 'seed'? --by takes target, seed\n", said
    assert said.stdout == ""


def fail_if():
    """Errors grow from cell to cell, from 0.006 to 0.026, and leaks from 0 to 0.005."""
    whole = call("report", "swept").stdout
    passed = call("report", "swept", "--fail-if", "error > 0.03", "--fail-if", "perplexity >= 1.1")
    assert passed.stdout == whole and passed.stderr == ""
    failed = call("report", "swept", "--fail-if", "error > 0.02", "--fail-if", "leak > 0.0045", code=4)
    assert failed.stdout == whole
    lines = failed.stderr.splitlines()
    assert len(lines) == 3, lines
    assert lines[0].startswith("apportion: sweep/target=0.9:0.1, seed=1: --fail-if 'error > 0.02': the exact error (after, v2) is 0.02"), lines
    assert lines[0].endswith(", the limit 0.02") and "the leak added is 0.005, the limit 0.0045" in lines[2], lines
    assert call("report", "swept", "--by", "seed", "--json", "--fail-if", "error > 0.02", code=4).stderr.count("\n") == 2
    call("report", "swept", "--cell", "target=real, seed=0", "--fail-if", "error > 0.02")
    (only,) = call("report", "swept", "--cell", "target=0.9/0.1, seed=2", "--fail-if", "error>0.02", code=4).stderr.splitlines()
    assert only.startswith("apportion: sweep/target=0.9:0.1, seed=2: "), only
    said = call("report", "swept", "--fail-if", "eror > 1", code=2)
    assert "there is no metric 'eror'; did you mean 'error'?" in said.stderr and said.stdout == "", said


def a_hole():
    shutil.copytree("swept", "holed")
    (cell,) = [cell for cell in json.loads(call("report", "holed", "--json").stdout)["cells"] if cell["cell"] == "target=real, seed=1"]
    os.remove(f"holed/tasks/{cell['measures'][-1]['task']}/result.h5")
    (line,) = call("report", "holed", "--fail-if", "error > 1", code=4).stderr.splitlines()
    assert line == "apportion: sweep/target=real, seed=1: --fail-if 'error > 1': there is no exact error and no MAE (after, v2)", line
    holed = call("report", "holed", "--by", "target", code=2)
    assert "! 1 of the cells above have no result and are in no mean of errors: target=real, seed=1" in holed.stdout and " (2/3)" in holed.stdout, holed.stdout
    assert holed.stderr.count("apportion: ") == 1 and "seed=1" in holed.stderr, holed.stderr
    call("report", "holed", "--cell", "target=real, seed=0", "--fail-if", "error > 1")


def swept_columns():
    rows = list(csv.DictReader(call("export", "swept", "--csv").stdout.splitlines()))
    found = {(row["cell"], row["swept_target"], row["seed"]) for row in rows}
    assert found == {(f"target={target.replace('/', ':')}, seed={seed}", target, seed) for target in ("real", "0.9/0.1") for seed in "012"}, found
    assert all(0 <= float(row["target"]) <= 1 for row in rows if row["outcome"] == "category")


def main():
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as folder, contextlib.chdir(folder):
        make_sweep("swept")
        for check in (by_keys, fail_if, a_hole, swept_columns):
            check()


if __name__ == "__main__":
    main()
