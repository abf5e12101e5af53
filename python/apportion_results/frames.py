"""Tidy pandas frames of cells: one row for each thing that was counted or measured. Columns have the names of docs/metrics.md,
`apportion report --json` and `apportion export --csv`; `task` is the task whose result a row is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from .cell_view import CellView, MeasureView
from .cells import headline_of
from .metrics import (
    GROUP_METRICS,
    SET_METRICS,
    SUBJECT_METRICS,
    is_near,
    judges_agreement,
    retention_groups,
    retention_kinds,
    retention_summary,
)
from .sealed_file import Array
from .task_file import LOG_COLUMNS, Retention, high_of

CELL = ["job", "cell", "dataset", "method"]
MEASURED = [*CELL, "when", "test_set", "judge"]
ROUNDS = [*MEASURED, "subject", "wording", "prompt", "outcome", "category", "target", "count", "rounds", "steering", "exact_low",
          "exact_high", "unexplored", "task"]  # fmt: skip
ANSWERS = [*MEASURED, "subject", "wording", "answer", "outcome", "category", "count", "log_prob", "probability", "finish", "task"]
SHARES = [*MEASURED, "subject", "category", "target", "observed", "observed_low", "observed_high", "exact_low", "exact_high", "task"]
SUBJECTS = [*MEASURED, "subject", *SUBJECT_METRICS, "task"]
METRICS = [*MEASURED, "wordings", "rounds", *SET_METRICS, "subjects_with_mae", "subjects_with_exact", "unlisted_answers", "task"]
TRAINING = [*CELL, "kind", "steps", "seconds", "tokens", "loss", "kl", "kto", "z", "z_unclamped", "z_clamped_steps", "coverage",
            "grad_norm", "lr", "adapter_digest", "task"]  # fmt: skip
LOGS = [*CELL, "kind", *LOG_COLUMNS, "task"]
SUMMARY = ["base_perplexity", "perplexity", "perplexity_ratio", "base_easy_mass", "easy_mass"]
RETENTION = [*CELL, "group", "kind", *GROUP_METRICS, *SUMMARY, "task"]
JUDGES = [*CELL, "when", "test_set", "one", "other", "rounds", "share", "kappa"]
CELLS = [*CELL, "model", "target"]
SWEPT = [*CELL, "when", "test_set"]
FIGURES = ["exact_error", "worst_exact_error", "mae", "floor", "added_leak", "kl_per_token", "perplexity_ratio"]
OUTCOMES = ("unparsed", "cut", "no story", "failed")  # of rounds without a category, in the order of Measure.counts


def gather(columns: list[str], parts: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Stacks the parts. A value in a part that is neither list nor array holds for all of the part's rows; texts are in arrays of
    objects."""
    pieces: dict[str, list[Array]] = {name: [] for name in columns}
    for part in parts:
        rows = max((len(values) for values in part.values() if isinstance(values, (list, np.ndarray))), default=1)
        for name in columns:
            value = part[name]
            whole = isinstance(value, (list, np.ndarray))
            pieces[name].append(np.asarray(value) if whole else np.full(rows, value, dtype=object if isinstance(value, str) else None))
    return pd.DataFrame({name: np.concatenate(arrays) if arrays else [] for name, arrays in pieces.items()})


def of_cell(view: CellView) -> dict[str, Any]:
    return {"job": view.cell.job, "cell": view.cell.name, "dataset": view.dataset, "method": view.method}


def measured(views: Iterable[CellView]) -> Iterator[tuple[MeasureView, dict[str, Any]]]:
    """Every measured test set, with the columns that all of its rows have."""
    for view in views:
        for one in view.measures:
            name = one.name
            yield one, {**of_cell(view), "when": name.when, "test_set": name.test_set, "judge": name.judge, "task": name.task}


def rounds_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each prompt and outcome of its rounds: the rows of `apportion export --csv`."""
    return gather(ROUNDS, (rounds_of(one) | own for one, own in measured(views)))


def rounds_of(one: MeasureView) -> dict[str, Any]:
    """Columns of S x P x outcomes rows."""
    measure = one.measure
    arrays, counts, categories = measure.arrays, measure.counts, measure.categories
    subjects, wordings, _ = counts.shape
    kept = [*range(len(categories) + 2)]  # columns of counts, in the order of the CSV
    if measure.record.is_judged:
        kept.append(len(categories) + 3)
    if measure.record.reads_stories:
        kept.append(len(categories) + 2)
    width, lost = len(kept), len(kept) - len(categories)
    outcomes = ["category"] * len(categories) + [OUTCOMES[column - len(categories)] for column in kept[len(categories) :]]

    def of_categories(values: Array) -> Array:
        """[S, P, K] as a column, NaN for the outcomes that have no category."""
        return np.pad(values, ((0, 0), (0, 0), (0, lost)), constant_values=np.nan).ravel()

    target = np.repeat(measure.target[:, np.newaxis, :], wordings, axis=1)
    return {
        "subject": np.repeat(arrays["/subjects"], wordings * width),
        "wording": np.tile(np.repeat(np.arange(wordings), width), subjects),
        "prompt": np.repeat(arrays["/prompts"].ravel(), width),
        "outcome": np.tile(np.array(outcomes, dtype=object), subjects * wordings),
        "category": np.tile(np.array(categories + [None] * lost, dtype=object), subjects * wordings),
        "target": of_categories(target),
        "count": counts[:, :, kept].ravel().astype(np.int64),
        "rounds": np.repeat(counts.sum(axis=2).ravel(), width).astype(np.int64),
        "steering": of_categories(arrays["/exact/steering"]),
        "exact_low": of_categories(arrays["/exact/low"]),
        "exact_high": of_categories(high_of(arrays["/exact/low"], arrays["/exact/unexplored"])),
        "unexplored": np.repeat(arrays["/exact/unexplored"].ravel(), width),
    }


def answers_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each distinct answer to each prompt."""
    return gather(ANSWERS, (answers_of(one) | own for one, own in measured(views)))


def answers_of(one: MeasureView) -> dict[str, Any]:
    arrays, stories = one.measure.arrays, one.measure.record.reads_stories
    category, finish = arrays["/answers/category"], arrays["/answers/finish"]
    names = dict(enumerate(one.measure.categories))
    lost = {-1: "unparsed", -2: "no story", -3: "failed"}
    outcomes = ["category" if j >= 0 else "cut" if j == -1 and end == 1 and not stories else lost[j] for j, end in zip(category, finish)]
    return {
        "subject": arrays["/subjects"][arrays["/answers/subject"]],
        "wording": arrays["/answers/prompt"].astype(np.int64),
        "answer": arrays["/answers/text"],
        "outcome": np.array(outcomes, dtype=object),
        "category": np.array([names.get(j) for j in category.tolist()], dtype=object),
        "count": arrays["/answers/count"].astype(np.int64),
        "log_prob": arrays["/answers/log_prob"],
        "probability": np.exp(arrays["/answers/log_prob"]),
        "finish": np.array(["cut" if end else "end of turn" for end in finish], dtype=object),
    }


def distinct_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Each answer once per test set, over all subjects and wordings: rounds that gave it, subjects that have it, and its mean
    probability over the prompts that have it. Those without a category come first, then by rounds, as in the page's table of
    answers."""
    keys = [*MEASURED, "answer", "outcome", "category", "finish"]
    groups = answers.groupby(keys, dropna=False, sort=False)
    table = groups.agg(count=("count", "sum"), subjects=("subject", "nunique"), probability=("probability", "mean"))
    table = table.reset_index()
    return (
        table.assign(named=table["outcome"] == "category")
        .sort_values([*MEASURED, "named", "count"], ascending=[True] * (len(MEASURED) + 1) + [False], kind="stable", ignore_index=True)
        .drop(columns="named")
    )


def shares_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each subject and category, wordings together, before and after."""
    return gather(SHARES, (shares_of(one) | own for one, own in measured(views)))


def shares_of(one: MeasureView) -> dict[str, Any]:
    measure = one.measure
    width = len(measure.categories)
    unknown = [np.nan] * width
    return {
        "subject": np.repeat(measure.arrays["/subjects"], width),
        "category": np.tile(measure.arrays["/categories"], len(one.subjects)),
        "target": measure.target.ravel(),
        "observed": np.array([subject.observed or unknown for subject in one.subjects]).ravel(),
        "observed_low": np.array([subject.observed_low or unknown for subject in one.subjects]).ravel(),
        "observed_high": np.array([subject.observed_high or unknown for subject in one.subjects]).ravel(),
        "exact_low": np.array([subject.exact_low for subject in one.subjects]).ravel(),
        "exact_high": np.array([subject.exact_high for subject in one.subjects]).ravel(),
    }


def extents(one: MeasureView, values: dict[str, float]) -> dict[str, float]:
    """`values`, with NaN for shares of stories and judgements if there are none."""
    record = one.measure.record
    absent = ["no_story_share"] * (not record.reads_stories) + ["failed_share"] * (not record.is_judged)
    return values | dict.fromkeys(absent, np.nan)


def subjects_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each subject of each test set: its metrics."""
    return gather(SUBJECTS, (subjects_of(one) | own for one, own in measured(views)))


def subjects_of(one: MeasureView) -> dict[str, Any]:
    rows = [extents(one, subject.values) for subject in one.subjects]
    return {"subject": one.measure.arrays["/subjects"]} | {name: [row[name] for row in rows] for name in SUBJECT_METRICS}


def metrics_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each measured test set: means over its subjects."""
    return gather(METRICS, (metrics_of(one) | own for one, own in measured(views)))


def metrics_of(one: MeasureView) -> dict[str, Any]:
    counts, unlisted = one.measure.counts, one.measure.arrays.get("/rounds/unlisted_answers")
    return {
        **one.whole,
        "wordings": counts.shape[1],
        "rounds": int(counts[0].sum()),
        "unlisted_answers": 0 if unlisted is None else int(unlisted.sum()),
    }


def logs_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each training step."""
    return gather(LOGS, (training.log | {"kind": kind, "task": training.record.id} | of_cell(view)
                         for view in views for kind, training in view.training.items()))  # fmt: skip


def training_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each stage: sums of seconds and tokens, and the last step's values."""

    def stage(log: dict[str, Array]) -> dict[str, Any]:
        last = {name: column[-1] if len(column) else np.nan for name, column in log.items()}
        sums = {name: float(np.add.accumulate(log[name])[-1]) if len(log[name]) else 0.0 for name in ("seconds", "tokens")}
        return last | sums | {"steps": len(log["step"]), "z_clamped_steps": int((log["z_unclamped"] < 0).sum())}

    return gather(TRAINING, (
        stage(training.log) | {"kind": kind, "adapter_digest": training.adapter_digest, "task": training.record.id} | of_cell(view)
        for view in views for kind, training in view.training.items()))  # fmt: skip


def retention_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """What must not change: a row for each of the groups "unrelated" and "near" as a whole (with empty `kind`), for each kind of
    prompts in them, for the plain text and for the easy questions. Columns that a row is not about are NaN."""
    return gather(RETENTION, (row for view in views if view.retention for row in retention_of(view, view.retention)))


def retention_of(view: CellView, retention: Retention) -> Iterator[dict[str, Any]]:
    own = dict.fromkeys([*GROUP_METRICS, *SUMMARY], np.nan) | of_cell(view) | {"kind": "", "task": retention.record.id}
    for group, values in retention_groups(retention).items():
        yield own | values | {"group": group}
    for kind, values in retention_kinds(retention).items():
        yield own | values | {"group": "near" if is_near(kind) else "unrelated", "kind": kind}
    summary = retention_summary(retention)
    for group, names in (("plain text", SUMMARY[:3]), ("easy questions", SUMMARY[3:])):
        yield own | {name: summary[name] for name in names} | {"group": group}


def judges_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each pair of judges of the same stories."""

    def pairs(view: CellView) -> Iterator[dict[str, Any]]:
        for at, one in enumerate(view.measures):
            for other in view.measures[at + 1 :]:
                if (one.name.when, one.name.test_set) != (other.name.when, other.name.test_set) or one.name.judge == other.name.judge:
                    continue
                if found := judges_agreement(one.measure, other.measure):
                    names = {"when": one.name.when, "test_set": one.name.test_set, "one": one.name.judge, "other": other.name.judge}
                    yield found | names | of_cell(view)

    return gather(JUDGES, (pair for view in views for pair in pairs(view)))


def swept_columns(views: Iterable[CellView], own: list[str]) -> dict[str, list[Any]]:
    """A column for each swept key, with a value per cell: numbers if all are. A key with the name of one of the frame's own
    columns becomes `swept_KEY`."""
    views = list(views)
    keys = list(dict.fromkeys(key for view in views for key in view.cell.swept))
    return {f"swept_{key}" if key in own else key: numbers([view.cell.swept.get(key) for view in views]) for key in keys}


def numbers(texts: list[str | None]) -> list[Any]:
    for kind in (int, float):
        try:
            return [None if text is None else kind(text) for text in texts]
        except ValueError:
            continue
    return list(texts)


def cells_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each cell: what was asked, with the swept keys as columns."""
    views = list(views)
    frame = gather(CELLS, (of_cell(view) | {"model": view.model, "target": view.target} for view in views))
    return frame.assign(**swept_columns(views, CELLS))


def sweeps_frame(views: Iterable[CellView]) -> pd.DataFrame:
    """A row for each cell: the swept keys as columns, and the figures that stand for it: those of its first test set (after
    training, if it was trained) and of what must not change. The columns of the CSV next to the page."""
    views = list(views)
    frame = gather([*SWEPT, *FIGURES], (of_cell(view) | figures_of(view) for view in views))
    keys = swept_columns(views, [*SWEPT, *FIGURES])
    return frame.assign(**keys)[[*SWEPT, *keys, *FIGURES]]


def figures_of(view: CellView) -> dict[str, Any]:
    name, found = headline_of(view.cell), dict.fromkeys(FIGURES, np.nan)
    if one := view.headline:
        found |= {figure: one.whole[figure] for figure in ("exact_error", "worst_exact_error", "mae", "floor")}
    if view.retention:
        unrelated = retention_groups(view.retention)["unrelated"]
        if unrelated["prompts"] > 0:
            found |= {figure: unrelated[figure] for figure in ("added_leak", "kl_per_token")}
        found["perplexity_ratio"] = retention_summary(view.retention)["perplexity_ratio"]
    return found | {"when": name.when if name else "", "test_set": name.test_set if name else ""}
