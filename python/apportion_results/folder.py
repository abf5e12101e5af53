"""Where results lie: a folder that runs have written, or one file that `apportion pack` made from it. Both give the cells of
their jobs and each task's result, and lines for people that say what is missing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any, Protocol

from .cells import Cell, is_task_id, read_cells, readable_records, rebuild_cells
from .errors import DataError, json_of
from .seal import PIECE
from .sealed_file import SealedFile
from .task_file import TRAINING_KINDS, Record, check_result, read_record

MOST_FAILURES = 10  # of a job that are listed one by one


class Place(Protocol):
    """What Folder and Pack have in common."""

    path: str

    def tasks(self) -> list[str]: ...
    def result_path(self, task: str) -> str: ...
    def open(self, task: str) -> contextlib.AbstractContextManager[SealedFile]: ...
    def cells(self) -> list[Cell]: ...
    def unfinished(self) -> list[str]: ...
    def verify(self) -> list[str]: ...


def place_at(path: str | os.PathLike[str]) -> Place:
    """The results at `path`. Raises FileNotFoundError if it does not exist, DataError if it is a file but not a readable pack."""
    path = os.fspath(path)
    if os.path.isdir(path):
        return Folder(path)
    if os.path.isfile(path):
        return Pack(path)
    raise FileNotFoundError(f"{path} is neither a directory nor a file: give the directory that `apportion run` wrote to, or a pack of it")


class Folder:
    """A directory that `apportion run` wrote to, or where several of these were merged."""

    def __init__(self, path: str) -> None:
        self.path = path

    def result_path(self, task: str) -> str:
        return os.path.join(self.path, "tasks", task, "result.h5")

    def tasks(self) -> list[str]:
        """Ids of tasks with a result file, sorted; does not open the files."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(task for task in os.listdir(os.path.join(self.path, "tasks")) if os.path.exists(self.result_path(task)))
        return []

    def open(self, task: str) -> SealedFile:
        return SealedFile(self.result_path(task))

    def cells(self) -> list[Cell]:
        """The index's cells, or if it is missing or damaged, those that follow from the results."""
        with contextlib.suppress(DataError):
            if cells := self.indexed_cells():
                return cells
        return rebuild_cells(readable_records(self.tasks(), self.record))

    def indexed_cells(self) -> list[Cell]:
        path = os.path.join(self.path, "index.h5")
        if not os.path.exists(path):
            return []
        with SealedFile(path) as file:
            if (form := file.text("format")) != "apportion index":
                raise file.fail(f"this is an {form}, not an index")
            return read_cells(file)

    def record(self, task: str) -> Record:
        with self.open(task) as file:
            return read_record(file)

    def unfinished(self) -> list[str]:
        """A line for each job with unfinished tasks, for each of these that failed, and for each damaged plan."""
        lines: list[str] = []
        done = set(self.tasks())
        reasons = failures_of(read_journals(self.path, []))
        for plan in read_plans(self.path, lines):
            left = {task: label for task, label, _ in plan["tasks"] if task not in done}
            if not left:
                continue
            failed = [f"{label} failed: {reasons[task]}" for task, label in left.items() if task in reasons]
            total = len(plan["tasks"])
            lines.append(f"Job {plan['job']}: {total - len(left)} of {total} tasks are done, {len(failed)} failed. "
                         "The same `apportion run` goes on from there.")  # fmt: skip
            lines += failed[:MOST_FAILURES]
            if len(failed) > MOST_FAILURES:
                lines.append(f"More tasks of job {plan['job']} failed; `apportion status` names them.")
        return lines

    def verify(self) -> list[str]:
        faults: list[str] = []
        for task in self.tasks():
            try:
                with self.open(task) as file:
                    record = check_result(file)
                    check_identity(file, record, task)
                    if record.kind in TRAINING_KINDS:
                        check_trained(self.path, record, file.text("adapter_digest"))
            except DataError as error:
                faults.append(str(error))
        read_journals(self.path, faults)
        read_plans(self.path, faults)
        try:
            self.indexed_cells()
        except DataError as error:
            faults.append(str(error))
        return sorted(faults)


def check_identity(file: SealedFile, record: Record, task: str) -> None:
    if record.id != task or hashlib.sha256(record.identity_text.encode("utf-8", "surrogateescape")).hexdigest() != task:
        raise file.fail("it is the result of another task")


def check_trained(directory: str, record: Record, wanted: str) -> None:
    """Raises DataError unless what was trained lies next to the result and has the SHA-256 that the result states."""
    options = record.identity.get("options")
    all_weights = isinstance(options, dict) and options.get("adapter") == "none"
    folder = os.path.join(directory, "tasks", record.id, "weights" if all_weights else "adapter")
    config = os.path.join(folder, "config.json" if all_weights else "adapter_config.json")
    weights = os.path.join(folder, "model.safetensors" if all_weights else "adapter_model.safetensors")
    for path in (config, weights):
        if not os.path.exists(path):
            raise DataError(path, "it is missing")
    digest = hashlib.sha256()
    with open(weights, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != wanted:
        raise DataError(weights, "it does not match the SHA-256 in its task's result.h5")


class Pack:
    """All results of a folder in one file (docs/store.md, A pack). It stays open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = SealedFile(path)
        form = self.file.text("format")
        if form != "apportion pack":
            raise self.file.fail(f"this is an {form}, not a pack: give a pack, or the results folder that the file is from")
        if self.file.integer("version") != 1:
            raise self.file.fail("its layout is of another version")

    def result_path(self, task: str) -> str:
        return f"{self.path}/tasks/{task}"

    def tasks(self) -> list[str]:
        return self.file.names("/tasks")

    def open(self, task: str) -> contextlib.AbstractContextManager[SealedFile]:
        return contextlib.nullcontext(self.file.part(f"/tasks/{task}"))

    def cells(self) -> list[Cell]:
        return read_cells(self.file)

    def unfinished(self) -> list[str]:
        return []

    def verify(self) -> list[str]:
        faults = []
        for task in self.tasks():
            file = self.file.part(f"/tasks/{task}")
            try:
                check_identity(file, check_result(file), task)
            except DataError as error:
                faults.append(str(error))
        for task in self.file.names("/adapters") if self.file.has("/adapters") else []:
            for name in self.file.names(f"/adapters/{task}"):
                path = f"/adapters/{task}/{name}"
                digest = hashlib.sha256(self.file.dataset(path, "uint8", 1).tobytes()).hexdigest()
                if digest != self.file.text("sha256", path):
                    faults.append(str(self.file.fail("it does not match its SHA-256", path)))
        return sorted(faults)


def files_of(directory: str, folder: str, end: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(os.path.join(directory, folder))):
            if name.endswith(end):
                yield os.path.join(directory, folder, name)


def read_plans(directory: str, faults: list[str]) -> list[dict[str, Any]]:
    """DIR/plans/*.json: {"job", "cells", "tasks": [[id, label, cell]]}; adds a line to `faults` for each damaged one."""
    plans = []
    for path in files_of(directory, "plans", ".json"):
        try:
            with open(path, encoding="utf-8") as file:
                plan = json.load(file)
            tasks = [(str(task), f"{label} ({plan['cells'][cell]})" if plan["cells"][cell] else str(label), cell)
                     for task, label, cell in plan["tasks"] if is_task_id(task)]  # fmt: skip
            if len(tasks) != len(plan["tasks"]):
                raise ValueError("not a task's id")
            plans.append({"job": str(plan["job"]), "tasks": tasks})
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            faults.append(str(DataError(path, "this is not a plan that apportion wrote; the next run of its job replaces it")))
    return plans


def read_journals(directory: str, faults: list[str]) -> list[dict[str, Any]]:
    """Records of DIR/journal/*.log; adds a line to `faults` for each damaged one. Ignores an unfinished last line."""
    records = []
    for path in files_of(directory, "journal", ".log"):
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        place = 0
        for line in lines:
            try:
                if hashlib.sha256(line[17:]).hexdigest()[:16].encode() != line[:16]:
                    raise ValueError("another digest")
                record = json_of(line[17:])
                if not isinstance(record, dict):
                    raise ValueError("no object")
                records.append(record)
            except ValueError:
                faults.append(f"{path}, byte {place}: this record is damaged and skipped")
            place += len(line) + 1
    return records


def failures_of(records: list[dict[str, Any]]) -> dict[str, str]:
    """Why tasks failed, for those neither done nor retried since, judging by the records' times."""
    last: dict[str, dict[str, Any]] = {}
    for record in records:
        if record["event"] in ("failed", "done", "retry") and record["time"] >= last.get(record["task"], record)["time"]:
            last[record["task"]] = record
    return {task: str(record.get("reason", "")) for task, record in last.items() if record["event"] == "failed"}
