"""Reads what apportion measured: results folders as tidy pandas frames.

    import apportion_results

    results = apportion_results.open("runs/smoke")
    results.shares      # target, sampled and exact shares, before and after
    results.missing     # what is not there

docs/python.md has the frames and their columns."""

from .errors import DataError, IncompleteWarning
from .results import Results, open

__all__ = ["DataError", "IncompleteWarning", "Results", "open"]
__version__ = "0.1.0"
