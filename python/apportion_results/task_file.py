"""Results of tasks (docs/store.md): the record that each has, and the arrays of each kind. Everything read is checked as the
program checks it: types, shapes, that shares are shares and answers add up to the rounds, and the digest `content`.

Legend of shapes: S subjects, P wordings, K categories, A distinct answers, T steps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import json_of
from .sealed_file import TEXT, Array, SealedFile

RESULT_FORMAT = "apportion result"
VERSIONS = range(1, 4)  # of the layout
KINDS = ("measure", "sft", "calibrate", "scale", "retention", "judge")
TRAINING_KINDS = ("sft", "calibrate")
UNPARSED, NO_STORY, JUDGE_FAILED = -1, -2, -3  # of /answers/category
ROUNDING = 1e-3  # probabilities are sums of float32 values: they may exceed 1 by at most this

# Name, type and shape of a measure task's datasets, in the order of its digest. S, P and K are sizes of axes; K+2 is
# two more.
MEASURE_DATASETS = [
    ("/subjects", TEXT, "S"), ("/categories", TEXT, "K"), ("/prompts", TEXT, "S P"), ("/target", "float64", "S K"),
    ("/rounds/counts", "uint64", "S P K+2"), ("/rounds/near_boundary", "uint64", "S P"),
    ("/answers/subject", "int32", "A"), ("/answers/prompt", "int32", "A"), ("/answers/category", "int32", "A"),
    ("/answers/count", "uint64", "A"), ("/answers/log_prob", "float64", "A"), ("/answers/finish", "uint8", "A"),
    ("/answers/text", TEXT, "A"), ("/exact/steering", "float64", "S P K"), ("/exact/low", "float64", "S P K"),
    ("/exact/high", "float64", "S P K"), ("/exact/unexplored", "float64", "S P"),
]  # fmt: skip
STORY_DATASETS = [("/rounds/no_story", "uint64", "S P")]
JUDGE_DATASETS = [("/rounds/failed", "uint64", "S P")]
UNLISTED_DATASETS = [("/rounds/unlisted", "uint64", "S P K+4"), ("/rounds/unlisted_answers", "uint64", "S P")]
STORED_METRICS = ("floor", "expected_mae")  # that are read from the file: they are expensive to compute
LOG_COLUMNS = ("step", "loss", "kl", "kto", "retain", "z", "z_unclamped", "coverage", "grad_norm", "lr", "tokens", "seconds")
KEEP_COLUMNS = ("tokens", "kl", "base_leak", "leak")
TEXT_COLUMNS = ("tokens", "base_nll", "nll")
QUESTION_COLUMNS = ("base_mass", "mass")


@dataclass
class Record:
    """What a result says about its task. `config` has the resolved options as texts."""

    id: str
    kind: str
    label: str
    test_set: str
    inputs: list[str]
    identity: dict[str, Any]
    identity_text: str
    content: str
    config: dict[str, str]

    @property
    def is_judged(self) -> bool:
        return self.kind == "judge"

    @property
    def reads_stories(self) -> bool:
        return self.identity.get("reading") == "stories"


@dataclass
class Measure:
    """A measured test set. `arrays` has docs/store.md's datasets by name, `stored` those of STORED_METRICS that the file has, [S] each.
    `target` is the file's own, or its cell's if the file has none; `has_own_target` says which."""

    record: Record
    path: str
    arrays: dict[str, Array]
    stored: dict[str, Array]
    target: Array
    has_own_target: bool

    @property
    def subjects(self) -> list[str]:
        return list(self.arrays["/subjects"])

    @property
    def categories(self) -> list[str]:
        return list(self.arrays["/categories"])

    @property
    def counts(self) -> Array:
        """[S, P, K+4]: rounds by category, then unparsed, cut, no story, failed."""
        return all_counts(self.arrays)


@dataclass
class Training:
    """The log of a training task: a column for each name of LOG_COLUMNS, [T] each."""

    record: Record
    path: str
    log: dict[str, Array]
    adapter_digest: str


@dataclass
class Retention:
    """What training changed elsewhere: columns of keep prompts, passages and easy questions."""

    record: Record
    path: str
    keep: dict[str, Array] = field(default_factory=dict)
    text: dict[str, Array] = field(default_factory=dict)
    questions: dict[str, Array] = field(default_factory=dict)


def read_record(file: SealedFile) -> Record:
    form = file.text("format")
    if form != RESULT_FORMAT:
        raise file.fail(f"this is an {form}, not a result")
    version = file.integer("version")
    if version not in VERSIONS:
        raise file.fail(f"its layout is version {version}; this reader reads versions 1 to {VERSIONS[-1]}")
    kind = file.text("kind")
    if kind not in KINDS:
        raise file.fail(f"it is of a task of kind {kind!r}, which this reader does not know")
    return Record(
        id=file.text("task"), kind=kind, label=file.text("label"), test_set=file.text("test_set"), content=file.text("content"),
        inputs=[str(task) for task in json_attribute(file, "inputs", list)], identity=json_attribute(file, "identity", dict),
        identity_text=file.text("identity"), config=json_attribute(file, "config", dict),
    )  # fmt: skip


def json_attribute(file: SealedFile, name: str, kind: type[Any]) -> Any:
    try:
        value = json_of(file.text(name))
    except ValueError:
        raise file.fail(f"attribute {name} is not JSON") from None
    if not isinstance(value, kind):
        raise file.fail(f"attribute {name} is not what it should be: a JSON {kind.__name__}")
    return value


def check_content(file: SealedFile, record: Record, found: str) -> None:
    if found != record.content:
        raise file.fail("attribute content is not the SHA-256 of the content")


class ContentDigest:
    """SHA-256 over an identity and arrays, as shared/store/columns.cpp adds them: numbers as 8 bytes, texts after their lengths,
    arrays with name and shape."""

    def __init__(self, identity: str) -> None:
        self.digest = hashlib.sha256()
        self.add_text(identity)

    def add_number(self, number: int) -> None:
        self.digest.update(number.to_bytes(8, "little"))

    def add_text(self, text: str) -> None:
        encoded = text.encode("utf-8", "surrogateescape")  # as attributes are read
        self.add_number(len(encoded))
        self.digest.update(encoded)

    def add_array(self, name: str, array: Array) -> None:
        self.add_text(name)
        for number in (array.ndim, *array.shape):
            self.add_number(number)
        if array.dtype == object:
            for text in array.ravel():
                self.add_text(text)
        else:
            self.digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())

    def hex(self) -> str:
        return self.digest.hexdigest()


def read_measure(file: SealedFile) -> Measure:
    """The result of a measure or judge task."""
    record = read_record(file)
    if record.kind not in ("measure", "judge"):
        raise file.fail(f"this is the result of a task of kind {record.kind}")
    wanted = MEASURE_DATASETS + STORY_DATASETS * record.reads_stories + JUDGE_DATASETS * record.is_judged
    wanted = wanted + [dataset for dataset in UNLISTED_DATASETS if file.has(dataset[0])]
    arrays = {name: file.dataset(name, kind, len(shape.split())) for name, kind, shape in wanted}
    check_shapes(file, arrays, wanted)
    for check in (check_target, check_exact, check_answers):
        check(file, record, arrays)
    digest = ContentDigest(record.identity_text)
    for name, array in arrays.items():
        digest.add_array(name, array)
    check_content(file, record, digest.hex())
    stored = {name: file.dataset(f"/metrics/{name}", "float64", 1) for name in STORED_METRICS if file.has(f"/metrics/{name}")}
    for name, column in stored.items():
        if column.shape != arrays["/subjects"].shape:
            raise file.fail("it does not have a value for each subject", f"/metrics/{name}")
    target = arrays["/target"]
    return Measure(record, file.path, arrays, stored, target, is_known(target))


def is_known(target: Array) -> bool:
    """Whether any subject's shares are known."""
    return bool(target.size) and not np.isnan(target[:, 0]).all()


def check_shapes(file: SealedFile, arrays: dict[str, Array], wanted: list[tuple[str, str, str]]) -> None:
    sizes = {"S": arrays["/subjects"].shape[0], "K": arrays["/categories"].shape[0], "P": arrays["/prompts"].shape[1]}
    if 0 in sizes.values():
        raise file.fail("it is empty", "/prompts" if sizes["K"] else "/categories")
    sizes |= {"K+2": sizes["K"] + 2, "K+4": sizes["K"] + 4, "A": len(arrays["/answers/text"])}
    for name, _, shape in wanted:
        right = tuple(sizes[axis] for axis in shape.split())
        if arrays[name].shape != right:
            raise file.fail(f"its shape is {arrays[name].shape}, not {right}", name)


def check_target(file: SealedFile, record: Record, arrays: dict[str, Array]) -> None:
    target = arrays["/target"]
    unknown = np.isnan(target)
    known = target[~unknown]
    if (known < 0).any() or (known > 1 + ROUNDING).any():
        raise file.fail("it has a share outside 0 to 1", "/target")
    whole = ~unknown.any(axis=1)
    if not (whole | unknown.all(axis=1)).all() or (abs(target[whole].sum(axis=1) - 1) > ROUNDING).any():
        raise file.fail("it has a row that does not add to 1", "/target")


def check_exact(file: SealedFile, record: Record, arrays: dict[str, Array]) -> None:
    for name in ("/exact/steering", "/exact/low", "/exact/unexplored"):
        if not ((arrays[name] >= -ROUNDING) & (arrays[name] <= 1 + ROUNDING)).all():
            raise file.fail("it has a value that is not a probability", name)
    if not (arrays["/exact/high"] == high_of(arrays["/exact/low"], arrays["/exact/unexplored"])).all():
        raise file.fail("it is not min(1, /exact/low + /exact/unexplored)", "/exact/high")


def high_of(low: Array, unexplored: Array) -> Array:
    """[S, P, K] of [S, P, K] and [S, P]."""
    high: Array = np.minimum(1.0, low + unexplored[:, :, np.newaxis])
    return high


def check_answers(file: SealedFile, record: Record, arrays: dict[str, Array]) -> None:
    """Checks that answers belong to existing prompts and categories, are in the order of prompts, and add up to the rounds."""
    subjects, wordings, width = arrays["/rounds/counts"].shape
    category, finish = arrays["/answers/category"], arrays["/answers/finish"]
    prompt = arrays["/answers/subject"].astype(np.int64) * wordings + arrays["/answers/prompt"]
    lowest = JUDGE_FAILED if record.is_judged else NO_STORY if record.reads_stories else UNPARSED
    for name, size in (("/answers/subject", subjects), ("/answers/prompt", wordings)):
        if ((arrays[name] < 0) | (arrays[name] >= size)).any():
            raise file.fail("it points to a prompt that does not exist", name)
    if ((category < lowest) | (category >= width - 2)).any():
        raise file.fail("it has a value that is not a category", "/answers/category")
    if (finish > 1).any():
        raise file.fail("it has a value that is neither 0 nor 1", "/answers/finish")
    if not record.reads_stories and ((finish == 1) & (category != UNPARSED)).any():
        raise file.fail("a cut answer has a category", "/answers/category")
    if np.isnan(arrays["/answers/log_prob"]).any():
        raise file.fail("it has a value that is not a number", "/answers/log_prob")
    if (np.diff(prompt) < 0).any():
        raise file.fail("it is not ordered by prompt", "/answers/prompt")
    tally = np.zeros((subjects * wordings, width + 2), dtype=np.uint64)
    np.add.at(tally, (prompt, answer_columns(arrays, record.reads_stories)), arrays["/answers/count"])
    if "/rounds/unlisted" in arrays:
        tally += arrays["/rounds/unlisted"].reshape(tally.shape)
    if (tally != all_counts(arrays).reshape(tally.shape)).any():
        raise file.fail("it is not what /answers/count and /rounds/unlisted add to", "/rounds/counts")


def answer_columns(arrays: dict[str, Array], stories: bool) -> Array:
    """[A]: the column of all_counts() that holds each answer's rounds."""
    category = arrays["/answers/category"].astype(np.int64)
    categories = len(arrays["/categories"])
    cut = (category == UNPARSED) & (arrays["/answers/finish"] == 1) & (not stories)
    lost = np.select([cut, category == UNPARSED, category == NO_STORY], [categories + 1, categories, categories + 2], categories + 3)
    return np.where(category >= 0, category, lost)


def all_counts(arrays: dict[str, Array]) -> Array:
    """[S, P, K+4]: /rounds/counts, then no story, then failed."""
    counts = arrays["/rounds/counts"]
    none = np.zeros(counts.shape[:2], dtype=np.uint64)
    lost = [arrays.get(name, none)[:, :, np.newaxis] for name in ("/rounds/no_story", "/rounds/failed")]
    return np.concatenate([counts, *lost], axis=2)


def read_training(file: SealedFile) -> Training:
    record = read_record(file)
    if record.kind not in TRAINING_KINDS:
        raise file.fail(f"this is the result of a task of kind {record.kind}")
    log = columns(file, "/log", LOG_COLUMNS)
    adapter_digest = file.text("adapter_digest")
    digest = ContentDigest(record.identity_text)
    for name, column in log.items():
        if name != "seconds":
            digest.add_array(name, column)
    digest.add_text(adapter_digest)
    check_content(file, record, digest.hex())
    return Training(record, file.path, log, adapter_digest)


def read_retention(file: SealedFile) -> Retention:
    """Its `content` depends on how the program writes numbers as text, and is not checked here; the seal is."""
    record = read_record(file)
    if record.kind != "retention":
        raise file.fail(f"this is the result of a task of kind {record.kind}")
    keep = columns(file, "/keep", KEEP_COLUMNS, texts=("kind", "prompt"))
    text = columns(file, "/text", TEXT_COLUMNS)
    questions = columns(file, "/questions", QUESTION_COLUMNS, texts=("text",))
    return Retention(record, file.path, keep, text, questions)


def check_scale(file: SealedFile) -> Record:
    """A scaling study's result has no frame; its digest is over tokens and FLOPs of each rank."""
    record = read_record(file)
    ranks = columns(file, "/ranks", ("tokens", "flops"))
    digest = ContentDigest(record.identity_text)
    for tokens, flops in zip(ranks["tokens"], ranks["flops"]):
        digest.add_array("/ranks/tokens", np.array([tokens]))
        digest.add_array("/ranks/flops", np.array([flops]))
    check_content(file, record, digest.hex())
    return record


def columns(file: SealedFile, group: str, names: tuple[str, ...], texts: tuple[str, ...] = ()) -> dict[str, Array]:
    """Datasets of a group, all of the same length."""
    found = {name: file.dataset(f"{group}/{name}", TEXT if name in texts else "float64", 1) for name in (*texts, *names)}
    first = next(iter(found))
    for name, column in found.items():
        if len(column) != len(found[first]):
            raise file.fail(f"it has another length than {group}/{first}", f"{group}/{name}")
    return found


def check_result(file: SealedFile) -> Record:
    """Reads and checks a result of any kind, and that /config agrees with the attribute config."""
    readers: dict[str, Callable[[SealedFile], Measure | Training | Retention]] = {
        "measure": read_measure, "judge": read_measure, "retention": read_retention,
        "sft": read_training, "calibrate": read_training,
    }  # fmt: skip
    kind = file.text("kind")
    record = readers[kind](file).record if kind in readers else check_scale(file)
    if record.config != file.texts("/config"):
        raise file.fail("attribute config and the attributes of /config differ")
    return record
