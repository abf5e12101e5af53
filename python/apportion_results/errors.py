"""Errors of results folders. Every message is one line: the file, the dataset if it is about one, and what is wrong."""

from __future__ import annotations

import json
import os
from typing import Any


def one_line(text: str) -> str:
    """`text` without control characters, which a terminal would obey: a damaged file's names may hold anything."""
    return "".join(" " if ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 else sign for sign in text)


class DataError(Exception):
    """A file is damaged, missing, or contradicts itself. `path` is the file, `dataset` the dataset or attribute at fault, empty
    if it is the file as a whole."""

    def __init__(self, path: str | os.PathLike[str], message: str, dataset: str = "") -> None:
        where = f"{os.fspath(path)}: {dataset}: " if dataset else f"{os.fspath(path)}: "
        super().__init__(one_line(where + message))
        self.path = os.fspath(path)
        self.dataset = dataset


class IncompleteWarning(UserWarning):
    """A frame leaves out missing or damaged results; Results.missing says which."""


def json_of(text: str | bytes) -> Any:
    """What json.loads returns; raises ValueError also for text that is nested too deeply for it."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
