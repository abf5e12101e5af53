"""The cells of a folder's jobs: which tasks' results each has, and what it was asked to do. They come from index.h5 (its list, or
in older files its groups), or, if that is lost, from the results themselves, as in shared/store/index.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .errors import DataError, json_of
from .sealed_file import TEXT, Array, SealedFile
from .task_file import TRAINING_KINDS, Record

METHODS = ("zero-shot", "prompted", "oracle-draw", "verbalized", "ift", "dpo", "sft", "kl-only", "kto-only", "full")
LEXICAL_JUDGE = "lexical"
MOST_NESTED = 16  # groups below /jobs; deeper is not ours


@dataclass
class Cell:
    """`measures` maps "before/v2", "after/heldout", `judged` "after/v3/JUDGE", `training` "sft", "calibrate" to the task's id.
    `swept` has the cell's values of the swept keys, `targets` the shares of each test set, [S, K]."""

    job: str
    name: str
    measures: dict[str, str] = field(default_factory=dict)
    training: dict[str, str] = field(default_factory=dict)
    judged: dict[str, str] = field(default_factory=dict)
    retention: str = ""
    dataset: str = ""
    method: str = ""
    model: str = ""
    target: str = ""
    swept: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Array] = field(default_factory=dict)
    place: int | None = None  # number among its sweep's cells, in the job file's order; older indexes do not say

    def take_about(self, about: dict[str, Any]) -> None:
        self.dataset, self.method, self.model, self.target = (about[key] for key in ("dataset", "method", "model", "target"))
        self.swept = dict(about["swept"])
        self.place = about.get("place")


@dataclass(frozen=True)
class MeasureName:
    """Something a cell has measured: "before" or "after" training, and for stories the judge that read them."""

    when: str
    test_set: str
    judge: str
    task: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.when, self.test_set, self.judge) if part)


def is_task_id(task: object) -> bool:
    return isinstance(task, str) and bool(task) and "/" not in task and task[0] != "."


def measures_of(cell: Cell) -> list[MeasureName]:
    """Sorted: v2 first, then by name, then by judge, the lexical one first; before, then after. Stories that judges have read
    have one name per judge and no other."""
    plain = {name: task for name, task in cell.measures.items() if not any(key.startswith(name + "/") for key in cell.judged)}
    found = []
    for name, task in [*plain.items(), *cell.judged.items()]:
        when, test_set, judge = (*name.split("/", 2), "", "")[:3]
        found.append(MeasureName(when, test_set, judge, task))
    return sorted(found, key=lambda m: (m.test_set != "v2", m.test_set, m.judge != LEXICAL_JUDGE, m.judge, m.when != "before"))


def headline_of(cell: Cell) -> MeasureName | None:
    """The measurement that stands for the cell in a table of cells: the first test set, for a trained model after training."""
    names = measures_of(cell)
    for name in names:
        if name.when == "after" and (cell.training or name.test_set == names[0].test_set):
            return name
    return names[0] if names and not cell.training else None


def read_cells(file: SealedFile) -> list[Cell]:
    """The cells of an index or a pack, sorted by job and name. Raises DataError."""
    if file.has("/cells"):
        texts, values = file.dataset("/cells/texts", TEXT, 1), file.dataset("/cells/targets", "float64", 1)
        try:
            cells = unpack_cells(texts, values)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise file.fail("it does not say what the cells are", "/cells/texts") from None
    else:
        cells = []
        try:
            read_groups(file, "/jobs", 0, cells)
        except (KeyError, TypeError, ValueError):
            raise file.fail("an attribute about does not say what a cell is", "/jobs") from None
    return sorted(cells, key=order)


def order(cell: Cell) -> tuple[bytes, bytes]:
    """Sorts by job and name, comparing bytes as the program does."""
    return cell.job.encode("utf-8", "surrogateescape"), cell.name.encode("utf-8", "surrogateescape")


def unpack_cells(texts: Iterable[str], values: Array) -> list[Cell]:
    """Reads the index's list. Raises ValueError, or what a dict raises, if it is malformed."""
    cells, at = [], 0
    for text in texts:
        entry = json_of(text)
        cell = Cell(entry["job"], entry["cell"], entry["measures"], entry["training"], entry["judged"], entry["retention"])
        tasks = [*cell.measures.values(), *cell.training.values(), *cell.judged.values(), cell.retention or "none"]
        if not all(is_task_id(task) for task in tasks):
            raise ValueError("not a task's id")
        if "about" in entry:
            cell.take_about(entry["about"])
        for test_set, (rows, width) in sorted(entry["targets"].items()):
            cell.targets[test_set] = values[at : at + rows * width].reshape(rows, width)
            at += rows * width
        cells.append(cell)
    if at != len(values):
        raise ValueError("targets that no cell has")
    return cells


def read_groups(file: SealedFile, group: str, depth: int, cells: list[Cell]) -> None:
    """Reads the groups of an index from before the list."""
    if depth > MOST_NESTED:
        raise file.fail("it is nested too deeply", group)
    if file.has_attribute("cell", group):
        cells.append(read_cell_group(file, group))
    for name in file.names(group):
        path = f"{group}/{name}"
        if file.link(path) is None:
            read_groups(file, path, depth + 1, cells)


def read_cell_group(file: SealedFile, group: str) -> Cell:
    cell = Cell(file.text("job", group), file.text("cell", group))
    for name, task in links_below(file, group, ""):
        kind, _, rest = name.partition("/")
        if kind in ("training", "judged"):
            getattr(cell, kind)[rest] = task
        elif name == "retention":
            cell.retention = task
        else:
            cell.measures[name] = task
    if file.has_attribute("about", group):
        about = json_of(file.text("about", group))
        cell.take_about(about)
        for test_set in about["targets"]:
            cell.targets[test_set] = file.dataset(f"/targets/{cell.job}/{cell.name}/{test_set}", "float64", 2)
    return cell


def links_below(file: SealedFile, group: str, name: str) -> Iterable[tuple[str, str]]:
    """The name below the cell and the task of each link; leaves out those of other cells below it."""
    if name.count("/") > MOST_NESTED:
        raise file.fail("it is nested too deeply", group)
    for step in file.names(group):
        path, full = f"{group}/{step}", f"{name}/{step}" if name else step
        target = file.link(path)
        if target is None:
            if not file.has_attribute("cell", path):
                yield from links_below(file, path, full)
            continue
        task = target.removeprefix("/tasks/")
        if task == target or not is_task_id(task):
            raise file.fail("it does not link to a task", path)
        yield full, task


# If the index is lost: one cell for each training task that no other continues, and for each dataset that was only
# measured, in the job "recovered".


def rebuild_cells(records: dict[str, Record]) -> list[Cell]:
    """Cells from all readable records of a folder's results, by id."""
    records = {task: records[task] for task in sorted(records) if records[task].kind != "scale"}
    continued = {task for record in records.values() if record.kind in TRAINING_KINDS for task in record.inputs}
    cells: list[Cell] = []
    for task, record in records.items():
        if record.kind in TRAINING_KINDS and task not in continued:
            cells.append(trained_cell(records, record, cells))
    add_untrained_cells(records, cells)
    for record in records.values():
        if record.is_judged:
            add_judged(record, cells)
    return sorted(cells, key=order)


def asked_of(record: Record) -> tuple[str, ...]:
    """What is asked, and of which model: equal if two tasks belong to one cell."""
    return tuple(record.config.get(key, "") for key in ("dataset", "model", "seed", "subjects", "base_type"))


def recovered_name(record: Record, method: str, cells: list[Cell]) -> str:
    name = f"{os.path.basename(record.config.get('dataset', '')) or 'unknown'}-{method}"
    return f"{name} {record.id[:8]}" if any(cell.name == name for cell in cells) else name


def is_asked_plainly(record: Record) -> bool:
    return bool(record.identity.get("asking", "plainly") == "plainly")


def trained_cell(records: dict[str, Record], last: Record, cells: list[Cell]) -> Cell:
    cell = Cell("recovered", recovered_name(last, last.config.get("method") or last.kind, cells))
    stage: Record | None = last
    while stage and stage.kind not in cell.training:
        cell.training[stage.kind] = stage.id
        stage = records.get(stage.inputs[0]) if stage.inputs else None
    for task, record in records.items():
        if record.kind != "measure":
            continue
        if last.id in record.inputs:
            cell.measures[f"after/{record.test_set}"] = task
        if not record.inputs and is_asked_plainly(record) and asked_of(record) == asked_of(last):
            cell.measures.setdefault(f"before/{record.test_set}", task)
    return cell


def add_untrained_cells(records: dict[str, Record], cells: list[Cell]) -> None:
    """Adds cells for measurements that no training task's cell has: the untouched model, asked plainly or in a method's way."""
    placed = {task for cell in cells for task in cell.measures.values()}
    found: dict[tuple[tuple[str, ...], str], Cell] = {}
    for task, record in records.items():
        if record.kind != "measure" or record.inputs or task in placed:
            continue
        plainly = is_asked_plainly(record)
        method = "zero-shot" if plainly else record.config.get("method", "")
        key = (asked_of(record), method)
        if key not in found:
            found[key] = Cell("recovered", recovered_name(record, method, cells))
        found[key].measures.setdefault(f"{'before' if plainly else 'after'}/{record.test_set}", task)
    cells.extend(found[key] for key in sorted(found))


def add_judged(record: Record, cells: list[Cell]) -> None:
    """Adds a judge's task to the cells whose answers it judged."""
    for cell in cells:
        for name, measured in cell.measures.items():
            if measured in record.inputs:
                cell.judged[f"{name}/{record.identity['judge']['name']}"] = record.id


def readable_records(tasks: Iterable[str], read: Callable[[str], Record]) -> dict[str, Record]:
    """The records of tasks whose result can be read and is their own."""
    records = {}
    for task in tasks:
        try:
            record = read(task)
        except DataError:
            continue
        if record.id == task:
            records[task] = record
    return records
