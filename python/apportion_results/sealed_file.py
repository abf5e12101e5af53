"""One sealed HDF5 file, or a group of one, as attributes and arrays of the types that docs/store.md states. Anything else raises
a DataError that names the file and the dataset. h5py is used only here."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from .errors import DataError
from .seal import check_seal

Array = np.ndarray[Any, Any]
TEXT = "text"  # the type of text datasets; other types have numpy's names


class SealedFile:
    """The file at `path`; its seal is checked first. A `part` of it is a group that is read as if it were a file."""

    def __init__(self, path: str) -> None:
        check_seal(path)
        self.path = path
        try:
            self.file = h5py.File(path, "r", locking=False)
        except OSError as error:
            raise DataError(path, f"this is not HDF5: {error}") from None
        self.group = ""
        self.groups: dict[str, h5py.Group] = {}  # opened groups, by path

    def part(self, group: str) -> SealedFile:
        """The group at that path; closing the file is still up to this object."""
        other = SealedFile.__new__(SealedFile)
        other.path, other.file, other.groups, other.group = self.path, self.file, self.groups, self.group + group
        return other

    def __enter__(self) -> SealedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()

    def fail(self, message: str, name: str = "") -> DataError:
        """The error to raise for this file, or for a dataset in it."""
        return DataError(self.path, message, self.group + name)

    def find(self, name: str) -> Any:
        """The object at that path in this very file; None if there is none or only a link."""
        return self.at((self.group + name).rstrip("/"))

    def at(self, path: str) -> Any:
        """The same, by the path from the file's root."""
        if not path:
            return self.file
        if path in self.groups:
            return self.groups[path]
        parent, _, own = path.rpartition("/")
        group = self.at(parent)
        if not isinstance(group, h5py.Group) or not isinstance(group.get(own, getlink=True), h5py.HardLink):
            return None
        found = group[own]
        if isinstance(found, h5py.Group):
            self.groups[path] = found
        return found

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def names(self, group: str = "/") -> list[str]:
        """Names of everything in a group, including links, sorted."""
        return sorted(self.open(group, h5py.Group))

    def link(self, name: str) -> str | None:
        """The target of a soft link; None if it is an object."""
        parent, _, own = name.rpartition("/")
        found = self.open(parent or "/", h5py.Group).get(own, getlink=True)
        return found.path if isinstance(found, h5py.SoftLink) else None

    def open(self, name: str, kind: Any) -> Any:
        """The object at that path; `kind` is a class of h5py or a tuple of these."""
        found = self.find(name)
        if found is None:
            raise self.fail("it is missing", name)
        if not isinstance(found, kind):
            raise self.fail("it is not a dataset" if kind is h5py.Dataset else "it is not a group", name)
        return found

    def texts(self, group: str = "/") -> dict[str, str]:
        """All text attributes of a group, in the order in which they were written."""
        attributes = self.open(group, h5py.Group).attrs
        return {name: value for name, value in attributes.items() if isinstance(value, str)}

    def has_attribute(self, name: str, group: str = "/") -> bool:
        return name in self.open(group, h5py.Group).attrs

    def text(self, name: str, where: str = "/") -> str:
        value = self.attribute(name, where)
        if not isinstance(value, str):
            raise self.fail(f"attribute {name} is not a text", where if where != "/" else "")
        return value

    def integer(self, name: str) -> int:
        """An attribute of the root."""
        value = self.attribute(name, "/")
        if not isinstance(value, np.int64):
            raise self.fail(f"attribute {name} is not an int64")
        return int(value)

    def attribute(self, name: str, where: str) -> object:
        """An attribute of a group or a dataset."""
        attributes = self.open(where, (h5py.Group, h5py.Dataset)).attrs
        if name not in attributes:
            raise self.fail(f"attribute {name} is missing", where if where != "/" else "")
        return attributes[name]

    def dataset(self, name: str, kind: str, axes: int) -> Array:
        """The dataset's values; `kind` is TEXT or numpy's name of the type."""
        dataset = self.open(name, h5py.Dataset)
        text = h5py.check_string_dtype(dataset.dtype)
        found = TEXT if text and text.encoding == "utf-8" and text.length is None else dataset.dtype.name
        if found != kind:
            raise self.fail(f"its type is {found}, not {kind}", name)
        if len(dataset.shape) != axes:
            raise self.fail(f"it has {len(dataset.shape)} axes, not {axes}", name)
        if math.prod(dataset.shape) * dataset.dtype.itemsize > dataset.id.get_storage_size():
            raise self.fail("it claims more values than are stored", name)
        try:
            values: Array = dataset.asstr()[()] if kind == TEXT else dataset[()]
        except (OSError, ValueError) as error:
            raise self.fail(f"it cannot be read: {error}", name) from None
        return values
