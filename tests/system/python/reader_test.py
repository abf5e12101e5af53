"""The Python reader agrees with the program: every number of `report --json`, `export --csv` and a page's CSV is in a frame,
to the last bit, for jobs, sweeps, packs, merged folders and folders without their index. Missing data is reported, one
flipped byte is found, and a sealed file with wrong content is refused with the name of the faulty dataset."""

import contextlib
import csv
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import warnings

import h5py
import numpy
import pandas

SOURCE = pathlib.Path(os.environ["APPORTION_SOURCE"])
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests/system"), str(pathlib.Path(__file__).resolve().parent)]
import apportion_results  # noqa: E402
from apportion_results import DataError, IncompleteWarning  # noqa: E402
from apportion_results.metrics import STEERING_WORDS, expected_mae, subject_metrics  # noqa: E402
from apportion_results.sealed_file import SealedFile  # noqa: E402
from common import UNIT_TESTS, call, write_small_job  # noqa: E402
from sealing import edited, write_measure  # noqa: E402

FRAMES = ("cells", "rounds", "answers", "distinct_answers", "shares", "subjects", "metrics", "training", "logs", "retention", "judges", "sweeps")
# What only a report has: a sentence, and values that need Boost's quantiles or the program's random numbers.
IN_NO_FRAME = {"verdict", "exact_error_low", "exact_error_high", "mae_low", "mae_high", "detectable", "p_value", "tested", "passes", "passes_of_perfect"}
SHARES = ("target", "observed", "observed_low", "observed_high", "exact_low", "exact_high")


def generate(test, variable, folder, **more):
    subprocess.run([UNIT_TESTS, f"--gtest_filter={test}"], check=True, stdout=subprocess.DEVNULL, env=os.environ | {variable: folder} | more)


def same(shown, value):
    """Whether a frame's value equals the JSON's, where null means unknown."""
    if value is None or shown is None or (isinstance(shown, float) and math.isnan(shown)):
        return value is None and (shown is None or math.isnan(shown))
    return shown == value


def row_of(frame, **wanted):
    (row,) = rows_of(frame, **wanted)
    return row


def rows_of(frame, **wanted):
    mask = numpy.ones(len(frame), dtype=bool)
    for name, value in wanted.items():
        mask &= frame[name].to_numpy() == value
    return frame[mask].to_dict("records")


def compare(row, entry, where, left_out=()):
    """Compares each value of a JSON object with the frame's column of that name; returns how many there were."""
    names = [name for name in entry if name not in left_out and name not in IN_NO_FRAME]
    for name in names:
        assert name in row, f"{where}: no frame has {name}"
        assert same(row[name], entry[name]), (where, name, row[name], entry[name])
    return len(names)


def compare_measure(one, measure):
    where = {"when": measure["when"], "test_set": measure["test_set"], "judge": measure.get("judge", "")}
    seen = compare(row_of(one.metrics, **where), measure, where, ("subjects", "categories"))
    subjects = {row["subject"]: row for row in rows_of(one.subjects, **where)}
    shares = {(row["subject"], row["category"]): row for row in rows_of(one.shares, **where)}
    assert len(subjects) == len(measure["subjects"]) and len(shares) == len(subjects) * len(measure["categories"])
    for subject in measure["subjects"]:
        at = (where, subject["subject"])
        seen += compare(subjects[subject["subject"]], subject, at, SHARES)
        for j, category in enumerate(measure["categories"]):
            row = shares[subject["subject"], category]
            for name in SHARES:
                values = subject[name] or [None] * len(measure["categories"])
                assert same(row[name], values[j]), (at, category, name, row[name], values[j])
                seen += 1
    return seen


def compare_retention(one, retention):
    seen = 0
    for group in ("unrelated", "near"):
        seen += compare(row_of(one.retention, group=group, kind=""), retention[group], group)
    for kind, values in retention["kinds"].items():
        seen += compare(row_of(one.retention, kind=kind), values, kind)
    for group, word in (("plain text", "perplexity"), ("easy questions", "easy")):
        entry = {name: value for name, value in retention.items() if word in name}
        assert len(entry) == 2, entry
        seen += compare(row_of(one.retention, group=group), entry, group)
    assert len(one.retention) == 4 + len(retention["kinds"])
    return seen


def compare_json(folder, code=0):
    """Compares every cell of the report; returns how many values were compared."""
    report = json.loads(call("report", folder, "--json", code=code).stdout)
    results = apportion_results.open(folder)
    assert len(results) == len(report["cells"])
    assert len(results.problems) == sum(len(cell["problems"]) for cell in report["cells"]), results.problems
    return sum(compare_cell(results.cell(f"{cell['job']}/{cell['cell']}"), cell) for cell in report["cells"])


def compare_cell(one, cell):
    own = {key: cell[key] for key in ("job", "cell", "dataset", "method", "model", "target")}
    (row,) = one.cells.to_dict("records")
    seen = compare(row, own, cell["cell"])
    swept = {f"swept_{key}" if key in own else key: value for key, value in cell.get("swept", {}).items()}
    assert {key: str(value) for key, value in row.items() if key not in own} == swept, row
    seen += sum(compare_measure(one, measure) for measure in cell["measures"])
    assert len(one.metrics) == len(cell["measures"]) and len(one.training) == len(cell["training"])
    seen += sum(compare(row_of(one.training, kind=stage["kind"]), stage, stage["kind"]) for stage in cell["training"])
    seen += compare_retention(one, cell["retention"]) if "retention" in cell else 0
    for pair in cell.get("judges", []):
        row = row_of(one.judges, when=pair["when"], test_set=pair["test_set"], one=pair["judges"][0], other=pair["judges"][1])
        seen += compare(row, pair, "judges", ("judges",))
    assert len(one.judges) == len(cell.get("judges", []))
    return seen


def compare_csv(folder):
    """Compares every row of the export, in order, and the cells' swept keys."""
    rows = list(csv.DictReader(call("export", folder, "--csv", "-").stdout.splitlines(keepends=True)))
    results = apportion_results.open(folder)
    frame = results.rounds.assign(test_set=[s if not j else f"{s}, {j}" for s, j in zip(results.rounds["test_set"], results.rounds["judge"])])
    swept = [name for name in rows[0] if name not in frame]
    frame = frame.merge(results.cells[["job", "cell", *swept]], on=["job", "cell"])
    assert len(frame) == len(rows), (len(frame), len(rows))
    for name in rows[0]:
        is_number = pandas.api.types.is_numeric_dtype(frame[name])
        for shown, row in zip(frame[name].tolist(), rows):
            text = row[name]
            absent = shown is None or (isinstance(shown, float) and math.isnan(shown))
            assert text == "" if absent else (float(text) if is_number else text) == shown, (name, shown, row)
    return len(rows)


def compare_logs_and_answers(folder):
    """No report has these, so they are compared with the files themselves."""
    results = apportion_results.open(folder)
    for task, log in results.logs.groupby("task"):
        with h5py.File(results.file_of(task)) as file:
            for name, column in file["log"].items():
                numpy.testing.assert_array_equal(log[name].to_numpy(), column[:], err_msg=name)
    for task, answers in results.answers.groupby("task"):
        with h5py.File(results.file_of(task)) as file:
            assert answers["answer"].tolist() == file["answers/text"].asstr()[:].tolist()
            assert answers["count"].tolist() == file["answers/count"][:].tolist()
            assert (answers["probability"].to_numpy() == numpy.exp(file["answers/log_prob"][:])).all()
            names = dict(enumerate(file["categories"].asstr()[:]))
            assert answers["category"].fillna("").tolist() == [names.get(j, "") for j in file["answers/category"][:]]
    keys = ["cell", "when", "test_set", "judge", "subject", "wording", "outcome"]
    counted = results.answers.assign(category=results.answers["category"].fillna("")).groupby([*keys, "category"])["count"].sum()
    rounds = results.rounds.assign(category=results.rounds["category"].fillna("")).set_index([*keys, "category"])["count"]
    pandas.testing.assert_series_equal(counted.sort_index(), rounds[rounds > 0].sort_index())
    distinct = results.distinct_answers
    assert distinct["count"].sum() == results.answers["count"].sum()
    assert not distinct.duplicated(["cell", "when", "test_set", "judge", "answer", "outcome", "category", "finish"]).any()


def compare_cells_csv(folder):
    """Compares the CSV that comes with a page of many cells."""
    call("report", folder, "--html", "page.html")
    with open("page.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sweeps = apportion_results.open(folder).sweeps
    assert list(sweeps) == list(rows[0]) and len(sweeps) == len(rows) == 22
    for (_, shown), row in zip(sweeps.iterrows(), rows):
        for name, text in row.items():
            value = shown[name]
            assert (math.isnan(value) if text == "" else value == float(text)) if isinstance(value, float) else str(value) == text, (name, value, row)
    assert set(sweeps["seed"]) == set(range(11)) and sweeps["seed"].dtype.kind == "i"


def metrics_are_the_files_own(folder):
    """Metrics computed here equal those in the result files."""
    seen = 0
    for view in apportion_results.open(folder)._views:
        for measured in view.measures:
            measure = measured.measure
            measure.stored = {}  # so that nothing comes from the file
            with h5py.File(measure.path) as file:
                stored = {name: column[:] for name, column in file["metrics"].items()}
            for s, subject in enumerate(subject_metrics(measure)):
                for name, column in stored.items():
                    assert same(subject.values[name], None if math.isnan(column[s]) else column[s]), (name, column[s])
                    seen += 1
    assert seen > 300
    assert expected_mae([0, 1], [0.25, 0.75], 10) == 0.25
    words = re.search(r"steering_words\[\] = \{(.*?)\};", (SOURCE / "shared/data/example.cpp").read_text(), re.S)
    assert re.findall(r'"(\w+)"', words.group(1)) == list(STEERING_WORDS)


def two_judges():
    """Two judges of made-up stories, with some answers not listed, in a folder without an index."""
    text = lambda *words: numpy.array(words, dtype=object)  # noqa: E731
    identity = {"kind": "measure", "reading": "stories", "test_set": "v3"}
    config = {"dataset": "x/tales", "model": "m", "method": "zero-shot", "seed": "0"}
    arrays = {
        "/subjects": text("nurse", "smith"), "/categories": text("she", "he"), "/prompts": text("A tale of a nurse.", "A tale of a smith.").reshape(2, 1),
        "/target": numpy.array([[0.9, 0.1], [0.25, 0.75]]), "/rounds/counts": numpy.array([[[5, 2, 1, 0]], [[2, 4, 0, 0]]], dtype=numpy.uint64),
        "/rounds/near_boundary": numpy.zeros((2, 1), numpy.uint64), "/answers/subject": numpy.array([0, 0, 0, 0, 1, 1, 1], numpy.int32),
        "/answers/prompt": numpy.zeros(7, numpy.int32), "/answers/category": numpy.array([0, 1, -1, -2, 0, 1, 1], numpy.int32),
        "/answers/count": numpy.array([4, 2, 1, 2, 2, 3, 1], numpy.uint64), "/answers/log_prob": numpy.log(numpy.array([0.4, 0.2, 0.1, 0.2, 0.3, 0.5, 0.1])),
        "/answers/finish": numpy.array([0, 1, 1, 0, 0, 0, 0], numpy.uint8), "/answers/text": text("She 1", "He 2", "It", "?", "She", "He", "B \u2603"),
        "/exact/steering": numpy.zeros((2, 1, 2)), "/exact/low": numpy.zeros((2, 1, 2)), "/exact/high": numpy.ones((2, 1, 2)),
        "/exact/unexplored": numpy.ones((2, 1)), "/rounds/no_story": numpy.array([[2], [0]], dtype=numpy.uint64),
    }  # fmt: skip
    unlisted = {"/rounds/unlisted": numpy.array([[[1, 0, 0, 0, 0, 0]], [[0] * 6]], dtype=numpy.uint64),
                "/rounds/unlisted_answers": numpy.array([[1], [0]], dtype=numpy.uint64)}  # fmt: skip
    folder = pathlib.Path("judged")
    task = write_measure(folder, identity, [], arrays | unlisted, "v3", config)
    verdicts = {"lexical": ([0, 1, -1, -2, 0, 1, 1], [[5, 2, 1, 0], [2, 4, 0, 0]], [0, 0]),
                "other": ([0, 0, -1, -2, 1, 1, -3], [[7, 0, 1, 0], [0, 5, 0, 0]], [0, 1])}  # fmt: skip
    for judge, (categories, counts, failed) in verdicts.items():
        read = arrays | {"/answers/category": numpy.array(categories, numpy.int32)}
        read |= {"/rounds/counts": numpy.array(counts, dtype=numpy.uint64).reshape(2, 1, 4)}
        read |= {"/rounds/failed": numpy.array(failed, dtype=numpy.uint64).reshape(2, 1)} | unlisted
        write_measure(folder, {"kind": "judge", "reading": "stories", "inputs": [task], "judge": {"name": judge}}, [task], read, "v3", config)
    (cell,) = json.loads(call("report", "judged", "--json").stdout)["cells"]
    assert len(cell["judges"]) == 1 and cell["judges"][0]["kappa"] is not None and cell["measures"][1]["failed_share"] > 0, cell
    assert compare_json("judged") > 60 and compare_csv("judged") == 2 * (2 * 6)
    assert apportion_results.open("judged").metrics["unlisted_answers"].tolist() == [1, 1]


def frames_of(folder):
    results = apportion_results.open(folder)
    return {name: getattr(results, name) for name in FRAMES}


def other_forms():
    """A pack, a merged folder, and an index that is lost, damaged or older give the same frames."""
    frames = frames_of("small")
    call("pack", "small", "small.h5", "--adapters")
    for name, frame in frames_of("small.h5").items():
        pandas.testing.assert_frame_equal(frame, frames[name])
    pack = apportion_results.open("small.h5")
    assert pack.verify() == [] and pack.missing == []
    call("merge", "sweep", "small")
    assert compare_json("sweep") > 200 and compare_csv("sweep") > 200
    shutil.copytree("small", "other")
    with edited("other/index.h5") as index:
        del index["cells"]
    compare_json("other")
    for name, frame in frames_of("other").items():
        pandas.testing.assert_frame_equal(frame, frames[name])
    flip("other/index.h5", 3000)
    assert compare_json("other") > 200
    os.remove("other/index.h5")
    assert compare_json("other") > 200
    recovered = frames_of("other")
    assert set(recovered["cells"]["job"]) == {"recovered"} and set(recovered["metrics"]["task"]) == set(frames["metrics"]["task"])


def flip(path, place):
    with open(path, "r+b") as file:
        file.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def task_of(folder, **wanted):
    """The task of the frame row with these values, and its file."""
    results = apportion_results.open(folder)
    for frame in (results.metrics, results.training):
        if set(wanted) <= set(frame):
            task = row_of(frame, **wanted)["task"]
            return task, results.file_of(task)
    raise AssertionError(wanted)


def one_flipped_byte():
    """A flipped byte is found anywhere in any file of a folder or pack, and so is a truncated file."""
    results = apportion_results.open("small")
    assert results.verify() == [] and call("verify", "small").stdout.endswith("0 damaged files or records\n")
    a_result = task_of("small", when="after", test_set="v2")[1]
    for path in [*map(results.file_of, os.listdir("small/tasks")), "small/index.h5"]:
        size = os.path.getsize(path)
        for place in (0, 40, 100, 511, 512, size // 3, size - 1):
            flip(path, place)
            with contextlib.suppress(DataError):
                raise AssertionError((path, place, SealedFile(path)))
            if place == size // 3 and path in (a_result, "small/index.h5"):
                (fault,) = apportion_results.open("small").verify()
                assert fault.startswith(f"{path}: the content does not match"), (path, place, fault)
            flip(path, place)
    _, weights = task_of("small", kind="sft")
    flip(weights.replace("result.h5", "adapter/adapter_model.safetensors"), -1)
    (fault,) = results.verify()
    assert "adapter_model.safetensors: it does not match" in fault and call("verify", "small", code=1)
    flip(weights.replace("result.h5", "adapter/adapter_model.safetensors"), -1)
    (journal,) = pathlib.Path("small/journal").iterdir()
    flip(journal, 30)
    assert results.verify() == [f"{journal}, byte 0: this record is damaged and skipped"]
    flip(journal, 30)
    assert results.verify() == []
    flip("small.h5", os.path.getsize("small.h5") // 2)
    with contextlib.suppress(DataError):
        raise AssertionError(apportion_results.open("small.h5"))
    flip("small.h5", os.path.getsize("small.h5") // 2)
    with edited("small.h5") as pack:
        task, files = next(iter(pack["adapters"].items()))
        files["adapter_config.json"][3] = 7
    (fault,) = apportion_results.open("small.h5").verify()
    assert fault == f"small.h5: /adapters/{task}/adapter_config.json: it does not match its SHA-256"
    shutil.copytree("small", "cut")
    _, path = task_of("cut", when="after", test_set="v2")
    os.truncate(path, os.path.getsize(path) - 1)
    (fault,) = apportion_results.open("cut").verify()
    assert fault.startswith(path) and "was cut or extended" in fault


def wrong_values():
    """Edits that make a measured test set's file wrong, each with the dataset that the error names."""

    def change(name, place, value):
        def edit(file):
            file[name][place] = value

        return edit

    def replace(name, values):
        def edit(file):
            del file[name]
            file.create_dataset(name, data=values(file), chunks=True)

        return edit

    return [
        (change("rounds/counts", (0, 0, 0), 77), "/rounds/counts"),
        (change("answers/category", 0, 9), "/answers/category"),
        (change("answers/subject", 0, -1), "/answers/subject"),
        (change("answers/finish", 0, 3), "/answers/finish"),
        (change("answers/log_prob", 0, math.nan), "/answers/log_prob"),
        (change("target", (1, 0), 0.9), "/target"),
        (change("exact/low", (0, 0, 0), 1.5), "/exact/low"),
        (change("exact/high", (0, 0, 0), 0.123), "/exact/high"),
        (change("prompts", (0, 0), "another"), "content"),
        (change("answers/log_prob", 0, -3.25), "content"),
        (replace("exact/unexplored", lambda file: numpy.zeros((3, 3))), "/exact/unexplored"),
        (replace("answers/count", lambda file: file["answers/text"].shape[0] * [1.0]), "/answers/count"),
        (lambda file: file.pop("rounds/near_boundary"), "/rounds/near_boundary"),
        (lambda file: file.attrs.__delitem__("identity"), "attribute identity"),
        (lambda file: file.attrs.__setitem__("identity", "[" * 20_000), "attribute identity is not JSON"),
        (lambda file: file.attrs.modify("version", numpy.int64(9)), "version 9"),
    ]


def sealed_and_wrong():
    """The reader refuses sealed files with wrong values, and so does the program."""
    task, path = task_of("small", when="after", test_set="v2")
    _, log = task_of("small", kind="calibrate")
    for file in (path, log):
        shutil.copytree(os.path.dirname(file), os.path.dirname(file).replace("small", "wrong"))
    path, log = path.replace("small", "wrong"), log.replace("small", "wrong")
    whole = pathlib.Path(path).read_bytes()
    for edit, dataset in wrong_values():
        with edited(path) as file:
            edit(file)
        (fault,) = apportion_results.open("wrong").verify()
        assert fault.startswith(f"{path}: ") and dataset in fault, (dataset, fault)
        if dataset in ("/rounds/counts", "/exact/unexplored", "version 9"):  # a sample, since each starts the program
            assert path in call("verify", "wrong", code=1).stdout, dataset
        pathlib.Path(path).write_bytes(whole)
    with edited(log) as file:
        file["log/loss"][0] += 1
    (fault,) = apportion_results.open("wrong").verify()
    assert fault == f"{log}: attribute content is not the SHA-256 of the content", fault
    os.rename(f"wrong/tasks/{task}", "wrong/tasks/" + "f" * 64)
    assert any("the result of another task" in fault for fault in apportion_results.open("wrong").verify())


def what_is_missing():
    shutil.copytree("small", "partial")
    task, path = task_of("partial", when="after", test_set="v2")
    os.remove(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteWarning)
        compare_json("partial", code=2)
    results = apportion_results.open("partial")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert task not in set(results.metrics["task"]) and len(results.metrics) > 2 and len(results.logs) == 5
    (warning,) = caught
    assert warning.category is IncompleteWarning and path in str(warning.message) and warning.filename == __file__, warning
    (job, problem) = results.missing
    assert re.fullmatch(r"Job small: (\d+) of \d+ tasks are done, 0 failed\. The same `apportion run` goes on from there\.", job), job
    assert problem == f"colours-full, after/v2: {path}: No such file or directory", problem
    # Stage 1 cannot be saved, so the job fails.
    _, stage = task_of("small", kind="sft")
    os.makedirs(os.path.dirname(stage).replace("small", "failed"))
    pathlib.Path(os.path.dirname(stage).replace("small", "failed"), "adapter").write_text("in the way")
    call("run", "small.ini", "--output", "failed", "--test_sets", "v2", "--retention=false", code=2)
    failed = apportion_results.open("failed").missing
    assert re.match(r"Job small: 1 of \d tasks are done, 1 failed", failed[0]) and re.match(r"stage 1.* failed: .*adapter", failed[1]), failed
    os.mkdir("empty")
    empty = apportion_results.open("empty")
    assert empty.missing == ["empty: no result here yet"] and empty.verify() == []
    assert all(getattr(empty, name).empty and list(getattr(empty, name)) for name in FRAMES)
    for name, kind in (("nowhere", FileNotFoundError), ("small.ini", DataError), ("small/index.h5", DataError)):
        with contextlib.suppress(kind):
            raise AssertionError(apportion_results.open(name))
    with contextlib.suppress(KeyError):
        raise AssertionError(results.cell("another"))


def main():
    with open("colours/templates.txt", "a") as templates:
        templates.write("[v3]\nTell a story of {a_thing}.\n")
    call("run", "small.ini", "--output", "small", "--test_sets", "heldout,v2,v3", "--story_tokens", "6", "--retention=true")
    call("run", "small.ini", "--output", "sweep", "--test_sets", "v2", "--sweep", "target=real,even", "--sweep", "method=sft,prompted")
    generate("ExportCsv.WritesSampleResultsForPeers", "APPORTION_PEER_RESULTS", "sample")
    generate("CellFigures.WritesASampleSweepForTheProgram", "APPORTION_SAMPLE_SWEEP", "swept", APPORTION_SAMPLE_SEEDS="11")
    wanted = {"small": 300, "sweep": 300, "sample": 1000, "swept": 5000}
    seen = {folder: compare_json(folder) for folder in wanted}
    assert all(seen[folder] > wanted[folder] for folder in wanted), seen
    rows = {folder: compare_csv(folder) for folder in ("small", "sweep", "sample")}
    for folder in ("small", "sample"):
        compare_logs_and_answers(folder)
    compare_cells_csv("swept")
    metrics_are_the_files_own("sample")
    for check in (two_judges, other_forms, one_flipped_byte, sealed_and_wrong, what_is_missing):
        check()
    print(f"the Python reader says what the program says: {sum(seen.values())} values of JSON, {sum(rows.values())} rows of CSV")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as work, contextlib.chdir(work):
        write_small_job(work)
        main()
