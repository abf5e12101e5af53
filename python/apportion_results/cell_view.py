"""A cell with all that its results say, as `apportion report` sees it: what cannot be read is a line in `problems`, and all
else is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .cells import METHODS, Cell, MeasureName, headline_of, measures_of
from .errors import DataError
from .folder import Place
from .metrics import SubjectMetrics, set_metrics, subject_metrics
from .sealed_file import Array, SealedFile
from .task_file import Measure, Record, Retention, Training, is_known, read_measure, read_retention, read_training

Result = TypeVar("Result")


@dataclass
class MeasureView:
    """One measured test set, with its cell's target and the metrics that follow."""

    name: MeasureName
    measure: Measure
    subjects: list[SubjectMetrics] = field(default_factory=list)
    whole: dict[str, float] = field(default_factory=dict)

    def take_target(self, target: Array) -> None:
        """For a result that has none of its own: what the untouched model says is measured whatever the target."""
        if not self.measure.has_own_target and target.shape == self.measure.target.shape:
            self.measure.target = target

    def compute(self) -> None:
        self.subjects = subject_metrics(self.measure)
        self.whole = set_metrics(self.measure, self.subjects)


@dataclass
class CellView:
    """`dataset`, `method`, `model` and `target` are those of the cell, or where the index does not say them of its last
    task. `training` is by kind, in the order of their work."""

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
        """What stands for the cell in a table of cells; None where it was not measured, or cannot be read."""
        name = headline_of(self.cell)
        return next((view for view in self.measures if view.name == name), None)


def load_cell(place: Place, cell: Cell) -> CellView:
    """All that the cell's files say."""
    view = CellView(cell)
    for name in measures_of(cell):
        measure = attempt(place, view, str(name), name.task, read_measure)
        if measure:
            view.measures.append(MeasureView(name, measure))
    for kind, task in sorted(cell.training.items(), key=lambda entry: entry[0] != "sft"):
        training = attempt(place, view, kind, task, read_training)
        if training:
            view.training[kind] = training
    if cell.retention:
        view.retention = attempt(place, view, "retention", cell.retention, read_retention)
    bring_targets(view)
    for measured in view.measures:
        measured.compute()
    name_cell(view)
    return view


def attempt(place: Place, view: CellView, what: str, task: str, read: Callable[[SealedFile], Result]) -> Result | None:
    """What `read` makes of the task's result; None, and a line more in the view's problems, where it cannot be read."""
    try:
        with place.open(task) as file:
            return read(file)
    except DataError as error:
        view.problems.append(f"{what}: {error}")
        return None


def bring_targets(view: CellView) -> None:
    """Where the index was lost, a trained model's results tell the target of its cell."""
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
    # What was done last was done for this cell; an earlier task may have been another cell's first.
    for measured in view.measures:
        if not view.dataset or measured.name.when == "after":
            take_names(measured.measure.record, view)
    for method in METHODS:  # all that zero-shot has may have been measured for another method
        if cell.name.endswith("-" + method):
            view.method = method


def take_names(record: Record, view: CellView) -> None:
    view.dataset, view.method, view.model = (record.config.get(key, "") for key in ("dataset", "method", "model"))
    view.target = record.config.get("target") or "real"  # of a file that is older than the key


