"""The page's figures for a notebook: shares against their targets, training curves, errors over a swept key. Each function
returns a matplotlib Figure; only this module needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .metrics import MOST_UNEXPLORED
from .results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {"loss": None, "kl": 0.0, "coverage": 1.0, "kto": 0.0, "z_unclamped": 0.0, "retain": 0.0, "lr": None}  # and the best value
LEAST_PARSED = 0.5  # of the rounds must have a category for their shares to be shown
WIDE = 100.0  # values spanning a larger factor get a logarithmic axis


def new_figure(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """A figure and its axes, row by row."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("apportion_results.plots needs matplotlib: pip install matplotlib") from None
    figure, axes = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    return figure, list(axes.flat)


def shown_shares(results: Results, test_set: str | None = None) -> pd.DataFrame:
    """What dots() draws, a row per subject and category of one cell and test set: target, floor, `before` and `after`, and the
    interval of the rounds after training (before, if only that was measured), `interval_low` and `interval_high`. A share is the
    middle of the exact bounds if at most half of the probability is unexplored, else that of the rounds if at least half of them
    name a category, else NaN. With two categories only the first has rows: the other's share is the rest."""
    if len(results) != 1:
        raise ValueError(f"shares are drawn for one cell, and there are {len(results)} here; results.cell(NAME) is one")
    sets = results.metrics
    if test_set is None and not sets.empty:
        test_set = str(sets["test_set"].iloc[0])
    judge = str(sets.loc[sets["test_set"] == test_set, "judge"].iloc[0]) if test_set in set(sets["test_set"]) else ""
    tables = []
    for frame in (results.shares, results.subjects):
        tables.append(frame[(frame["test_set"] == test_set) & (frame["judge"] == judge)])
    shares = tables[0].merge(tables[1][["when", "subject", "floor", "unexplored", "unparsed_share"]], on=["when", "subject"])
    if shares.empty:
        raise ValueError(f"{results.path} has no shares of {test_set or 'any test set'}; .missing says what is missing")
    sampled = shares["observed"].where(1 - shares["unparsed_share"] >= LEAST_PARSED)
    exact = (shares["exact_low"] + shares["exact_high"]) / 2
    shares["share"] = exact.where(shares["unexplored"] <= MOST_UNEXPLORED, sampled)
    for end in ("low", "high"):
        shares[f"interval_{end}"] = shares[f"observed_{end}"].where(sampled.notna())
    keys = ["subject", "category"]
    wide = shares.pivot(index=keys, columns="when", values="share").reindex(columns=["before", "after"])
    last = shares[shares["when"] == ("after" if "after" in set(shares["when"]) else "before")]
    if last["category"].nunique() == 2:
        last = last[last["category"] == last["category"].iloc[0]]
    return last[[*keys, "target", "floor", "interval_low", "interval_high"]].join(wide, on=keys).reset_index(drop=True)


def dots(results: Results, test_set: str | None = None) -> Figure:
    """Targets against shares of one cell, side by side for each category: an upright line is the target, the band its floor,
    a ring the share before training, a disc the share after it, a thin line the interval of the rounds. `test_set` is the first
    one by default."""
    shares = shown_shares(results, test_set)
    categories = list(dict.fromkeys(shares["category"]))
    subjects = list(dict.fromkeys(shares["subject"]))
    figure, axes = new_figure(1, len(categories), 3 + 3.2 * len(categories), 1.4 + 0.28 * len(subjects))
    for one, category in zip(axes, categories):
        rows = shares[shares["category"] == category]
        places = np.arange(len(rows))[::-1]
        one.barh(places, 2 * rows["floor"], left=rows["target"] - rows["floor"], height=0.7, color="#dddddd", label="floor")
        one.plot(rows["target"], places, "|", color="black", markersize=11, label="target")
        one.hlines(places, rows["interval_low"], rows["interval_high"], color="#2b6cb0", linewidth=1, label="interval of the rounds")
        one.plot(rows["before"], places, "o", markerfacecolor="none", color="#b7791f", label="before")
        one.plot(rows["after"], places, "o", color="#2b6cb0", label="after")
        one.set_yticks(places, rows["subject"] if one is axes[0] else [])
        one.set_xlim(-0.02, 1.02)
        one.set_ylim(-0.7, len(rows) - 0.3)
        one.set_xlabel(f"share of {category}", fontsize=8)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def curves(results: Results) -> Figure:
    """Training curves of one cell, a row of plots per stage. A dashed line is the value if all came out as asked; terms that the
    stage does not have are left out."""
    if len(results) != 1:
        raise ValueError(f"curves are drawn for one cell, and there are {len(results)} here; results.cell(NAME) is one")
    logs = results.logs
    stages = {}
    for kind, log in logs.groupby("kind", sort=False):
        stages[kind] = [name for name in CURVES if (log[name].notna() & (log[name] != 0)).any()]
    if not stages:
        raise ValueError(f"{results.path} has no training logs; .missing says what is missing")
    width = max(1, *(len(names) for names in stages.values()))
    figure, axes = new_figure(len(stages), width, 2.6 * width, 2.2 * len(stages))
    for row, (kind, names) in enumerate(stages.items()):
        log = logs[logs["kind"] == kind]
        for one, name in zip(axes[row * width :], names):
            draw_curve(one, log["step"], log[name], CURVES[name])
            one.set_title(f"{kind}: {name}", fontsize=9)
        for one in axes[row * width + len(names) : (row + 1) * width]:
            one.set_axis_off()
    return figure


def draw_curve(axes: Any, step: pd.Series, values: pd.Series, best: float | None) -> None:
    axes.plot(step, values, color="#2b6cb0", marker="." if len(step) < 20 else None)
    if values.min() > 0 and values.max() > WIDE * values.min():
        axes.set_yscale("log")
    elif best is not None:
        axes.axhline(best, color="#999999", linestyle="--", linewidth=1)
    axes.set_xlabel("step")


def sweep(results: Results, key: str, figure: str = "") -> Figure:
    """A figure of the sweep against a swept key: a point per cell, and a line per method through the means. Keys and figures are
    columns of results.sweeps; the default figure is the exact error, or the MAE if no cell has an exact error."""
    table = results.sweeps
    figure = figure or ("exact_error" if table["exact_error"].notna().any() else "mae")
    for name in (key, figure):
        if name not in table:
            raise ValueError(f"the sweep has no {name!r}; it has {', '.join(table.columns)}")
    table = table[table[figure].notna() & table[key].notna()]
    if table.empty:
        raise ValueError(f"no cell of {results.path} has both {key} and {figure}")
    whole, (axes,) = new_figure(1, 1, 6, 4)
    method = "swept_method" if "swept_method" in table and key != "swept_method" else "method"
    is_number = pd.api.types.is_numeric_dtype(table[key])
    values = results.values_of(key.removeprefix("swept_"))
    table = table.assign(place=table[key] if is_number else table[key].map({value: at for at, value in enumerate(values)}))
    for name, rows in table.groupby(method if key != "swept_method" else np.zeros(len(table)), sort=False):
        means = rows.groupby("place")[figure].mean()
        (line,) = axes.plot(means.index, means.values, "-" if is_number else "_", markersize=24, label=str(name))
        axes.plot(rows["place"], rows[figure], "o", color=line.get_color(), alpha=0.5, markersize=4)
    if not is_number:
        axes.set_xticks(range(len(values)), values)
    if key != "swept_method" and table[method].nunique() > 1:
        axes.legend(frameon=False)
    axes.margins(x=0.1)
    axes.set_ylim(bottom=0 if table[figure].min() >= 0 else None)
    axes.set_xlabel(key)
    axes.set_ylabel(figure)
    return whole
