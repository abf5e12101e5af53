"""A results folder as one object: frames, each read when first asked for, and what is missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cached_property

import pandas as pd

from . import frames
from .cell_view import CellView, Source, load_cell, load_headline
from .cells import Cell
from .errors import IncompleteWarning
from .folder import place_at


class Results:
    """Results of the cells of one place. Each frame is made once, from files whose seals and digests are checked while reading.
    Missing or damaged files are left out, with an IncompleteWarning, and listed in `missing`."""

    def __init__(self, source: Source, cells: list[Cell]) -> None:
        self._source = source
        self._place = source.place
        self._cells = cells
        self._warned = False

    def __repr__(self) -> str:
        return f"<apportion_results of {self._place.path}: {len(self._cells)} cells>"

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def path(self) -> str:
        """Path of the folder or the pack."""
        return self._place.path

    def cell(self, name: str) -> Results:
        """The results of one cell, by its name or JOB/NAME. Raises KeyError if there is none, or if several jobs have one."""
        wanted = name.replace("/", ":")  # as in cell names
        found = [cell for cell in self._cells if wanted in (cell.name, f"{cell.job}/{cell.name}".replace("/", ":"))]
        if not found:
            raise KeyError(f"{self.path} has no cell {name!r}; .cells lists those that it has")
        if len(found) > 1:
            raise KeyError(f"{self.path} has the cell {name!r} of {len(found)} jobs; give one of {[f'{c.job}/{c.name}' for c in found]}")
        return Results(self._source, found)

    def values_of(self, key: str) -> list[str]:
        """The values of a swept key, in the sweep's order if every cell knows its place in it."""
        cells = [cell for cell in self._cells if key in cell.swept]
        places = [cell.place for cell in cells]
        if None not in places:
            cells.sort(key=lambda cell: cell.place or 0)
        return list(dict.fromkeys(cell.swept[key] for cell in cells))

    def file_of(self, task: str) -> str:
        """The file that this task's rows come from; in a pack, the group."""
        return self._place.result_path(task)

    def verify(self) -> list[str]:
        """Reads every file of the whole place and checks it as `apportion verify` does: seals, digests of content,
        identities, what was trained, index, plans and journals. Returns a line for each that is damaged, with its file and, if it
        is about one, the dataset; an empty list if all are intact. (The content digest of a retention task is left to the
        program; its seal is checked.)"""
        return self._place.verify()

    @cached_property
    def missing(self) -> list[str]:
        """A line for each job that is not done, each task that failed, and each result that cannot be read."""
        if not self._cells and not self._place.tasks():
            return [*self._place.unfinished(), f"{self.path}: no result here yet"]
        return [*self._place.unfinished(), *self.problems]

    @cached_property
    def problems(self) -> list[str]:
        """A line for each result of a cell that cannot be read: "CELL, WHEN/TEST SET: FILE: reason"."""
        return problems_of(self._views)

    @cached_property
    def _views(self) -> list[CellView]:
        return [load_cell(self._source, cell) for cell in self._cells]

    @cached_property
    def _headlines(self) -> list[CellView]:
        """For frames with one row per cell: reading all files of many cells would take minutes. If the index was lost, all files
        are read, since only they say what the cells are."""
        if not all(cell.method for cell in self._cells):
            return self._views
        return [load_headline(self._source, cell) for cell in self._cells]

    def _frame(self, make: Callable[[list[CellView]], pd.DataFrame], views: list[CellView]) -> pd.DataFrame:
        frame = make(views)
        problems = problems_of(views)
        if problems and not self._warned:
            self._warned = True
            warnings.warn(
                f"{len(problems)} results of {self.path} are missing or damaged and in no frame; .missing says which: {problems[0]}",
                IncompleteWarning,
                stacklevel=4,
            )
        return frame

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: job, cell, dataset, method, model, target as asked for, and the swept keys."""
        return self._frame(frames.cells_frame, self._headlines)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per prompt and outcome of its rounds (a category, unparsed, cut, ...): count and exact shares."""
        return self._frame(frames.rounds_frame, self._views)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """One row per distinct answer to a prompt: count, category, log_prob, probability."""
        return self._frame(frames.answers_frame, self._views)

    @cached_property
    def distinct_answers(self) -> pd.DataFrame:
        """One row per distinct answer of a test set, over all subjects and wordings; those without a category come first."""
        return frames.distinct_answers(self.answers)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """One row per subject and category, before and after: target, observed and its interval, exact_low, exact_high."""
        return self._frame(frames.shares_frame, self._views)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """One row per subject of a measured test set: its metrics."""
        return self._frame(frames.subjects_frame, self._views)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per measured test set: its metrics (docs/metrics.md), means over subjects."""
        return self._frame(frames.metrics_frame, self._views)

    @cached_property
    def training(self) -> pd.DataFrame:
        """One row per training stage: steps, seconds, tokens, last values."""
        return self._frame(frames.training_frame, self._views)

    @cached_property
    def logs(self) -> pd.DataFrame:
        """One row per training step."""
        return self._frame(frames.logs_frame, self._views)

    @cached_property
    def retention(self) -> pd.DataFrame:
        """One row per group of prompts that must not change, and for the plain text and the easy questions."""
        return self._frame(frames.retention_frame, self._views)

    @cached_property
    def judges(self) -> pd.DataFrame:
        """One row per pair of judges of the same stories: share of agreement and kappa."""
        return self._frame(frames.judges_frame, self._views)

    @cached_property
    def sweeps(self) -> pd.DataFrame:
        """One row per cell: the swept keys as columns, and the few figures that stand for it."""
        return self._frame(frames.sweeps_frame, self._headlines)


def problems_of(views: list[CellView]) -> list[str]:
    return [f"{view.cell.name}, {problem}" for view in views for problem in view.problems]


def open(path: str | os.PathLike[str]) -> Results:  # shadows the builtin only in this module, which opens no file
    """The results in DIR, which `apportion run` wrote to, or in a file that `apportion pack` made. Raises FileNotFoundError if
    there is neither, and DataError if the file is not an intact pack. A folder without results gives frames without rows;
    `missing` says what is missing."""
    place = place_at(path)
    return Results(Source(place), place.cells())
