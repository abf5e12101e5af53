"""A cell with everything that its results say, as `apportion report` sees it: each unreadable result is a line in `problems`, and
the rest is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .cells import METHODS, Cell, MeasureName, headline_of, measures_of
from .errors import DataError
from .folder import Place
from .metrics import SubjectMetrics, set_metrics, subject_metrics
from .sealed_file import Array, SealedFile
from .task_file import Measure, Record, Retention, Training, is_known, read_measure, read_retention, read_training

Result = TypeVar("Result")


@dataclass
class MeasureView:
    """One measured test set, with its cell's target and the metrics computed from both."""

    name: MeasureName
    measure: Measure
    subjects: list[SubjectMetrics] = field(default_factory=list)
    whole: dict[str, float] = field(default_factory=dict)

    def take_target(self, target: Array) -> None:
        """Sets the target of a result that has none of its own: the untouched model is measured independently of targets."""
        if not self.measure.has_own_target and target.shape == self.measure.target.shape:
            self.measure.target = target

    def compute(self) -> None:
        self.subjects = subject_metrics(self.measure)
        self.whole = set_metrics(self.measure, self.subjects)


@dataclass
class CellView:
    """`dataset`, `method`, `model` and `target` are the cell's, or its last task's if the index does not say. `training` is by
    kind, in the order in which the stages ran."""

    cell: Cell
    dataset: str = ""
    method: str = ""
    model: str = ""
    target: str = ""
    measures: list[MeasureView] = field(default_factory=list)
    training: dict[str, Training] = field(default_factory=dict)
    retention: Retention | None = None
    problems: list[str] = field(default_factory=list)

    def measured(self, when: str, test_set: str) -> MeasureView | None:
        return next((view for view in self.measures if (view.name.when, view.name.test_set) == (when, test_set)), None)

    @property
    def headline(self) -> MeasureView | None:
        """The measurement that stands for the cell in a table of cells; None if it was not measured or cannot be read."""
        name = headline_of(self.cell)
        return next((view for view in self.measures if view.name == name), None)


class Source:
    """The results of a place, each read once: cells share measurements of the untouched model, and stages."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.found: dict[tuple[str, Callable[[SealedFile], Any]], Any] = {}

    def result(self, task: str, read: Callable[[SealedFile], Result]) -> Result:
        """The task's file, as `read` reads it. Raises DataError."""
        key = (task, read)
        if key not in self.found:
            try:
                with self.place.open(task) as file:
                    self.found[key] = read(file)
            except DataError as error:
                self.found[key] = error
        if isinstance(self.found[key], DataError):
            raise self.found[key]
        found: Result = self.found[key]
        return found


def load_cell(source: Source, cell: Cell) -> CellView:
    """Loads everything in the cell's files."""
    view = CellView(cell)
    load_measures(source, view, measures_of(cell))
    for kind, task in sorted(cell.training.items(), key=lambda entry: entry[0] != "sft"):
        with problem_of(view, kind):
            view.training[kind] = source.result(task, read_training)
    load_retention(source, view)
    name_cell(view)
    return view


def load_headline(source: Source, cell: Cell) -> CellView:
    """Loads only what a table of cells needs and reads no other file; for cells that the index names."""
    view = CellView(cell)
    name = headline_of(cell)
    load_measures(source, view, [name] if name else [])
    load_retention(source, view)
    name_cell(view)
    return view


def load_measures(source: Source, view: CellView, names: list[MeasureName]) -> None:
    for name in names:
        with problem_of(view, str(name)):
            view.measures.append(MeasureView(name, replace(source.result(name.task, read_measure))))
    bring_targets(view)
    for measured in view.measures:
        measured.compute()


def load_retention(source: Source, view: CellView) -> None:
    if view.cell.retention:
        with problem_of(view, "retention"):
            view.retention = source.result(view.cell.retention, read_retention)


@contextlib.contextmanager
def problem_of(view: CellView, what: str) -> Iterator[None]:
    """Turns an unreadable result into a line in the view's problems."""
    try:
        yield
    except DataError as error:
        view.problems.append(f"{what}: {error}")


def bring_targets(view: CellView) -> None:
    """Gives results their cell's target; if the index was lost, the trained model's results have it."""
    for measured in view.measures:
        if measured.name.test_set in view.cell.targets:
            measured.take_target(view.cell.targets[measured.name.test_set])
    for measured in view.measures:
        after = view.measured("after", measured.name.test_set)
        if after and not is_known(measured.measure.target) and after.measure.subjects == measured.measure.subjects:
            measured.take_target(after.measure.target)


def name_cell(view: CellView) -> None:
    cell = view.cell
    if cell.method:
        view.dataset, view.method, view.model, view.target = cell.dataset, cell.method, cell.model, cell.target
        return
    # The last tasks were done for this cell; an earlier one may have been done for another cell first.
    for measured in view.measures:
        if not view.dataset or measured.name.when == "after":
            take_names(measured.measure.record, view)
    for method in METHODS:  # all results of zero-shot may have been measured for another method
        if cell.name.endswith("-" + method):
            view.method = method


def take_names(record: Record, view: CellView) -> None:
    view.dataset, view.method, view.model = (record.config.get(key, "") for key in ("dataset", "method", "model"))
    view.target = record.config.get("target") or "real"  # for a file older than the key


