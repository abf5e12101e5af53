"""The first 512 bytes of every file of the store: size and SHA-256 of everything after them, as text (shared/store/seal.h). They
are checked before the HDF5 library sees a byte, since its own checksums do not cover texts and it may crash on damaged metadata.
The seal detects accidents, not forgery."""

from __future__ import annotations

import hashlib
import os

from .errors import DataError

SEAL_SIZE = 512
MAGIC = b"apportion sealed HDF5, version 1\n"
PIECE = 1 << 20  # bytes that are read at a time


def size_line(size: int) -> bytes:
    return b"bytes after the first 512: %d\n" % size


def seal_of(size: int, sha256: str) -> bytes:
    """The 512 bytes in front of a body of that size and SHA-256 (hexadecimal)."""
    lines = MAGIC + size_line(size) + b"sha256 of them: " + sha256.encode() + b"\n"
    return lines.ljust(SEAL_SIZE, b"\0")


def check_seal(path: str) -> None:
    """Raises DataError unless the file is a seal followed by the body that it was made for."""
    try:
        with open(path, "rb") as file:
            seal = file.read(SEAL_SIZE)
            body = hashlib.sha256()
            while piece := file.read(PIECE):
                body.update(piece)
            size = max(0, os.fstat(file.fileno()).st_size - SEAL_SIZE)
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    if not seal.startswith(MAGIC):
        raise DataError(path, "this is not a file that apportion wrote, or its first bytes are damaged")
    if len(seal) < SEAL_SIZE:
        raise DataError(path, "the file ends inside its first 512 bytes")
    if not seal.startswith(MAGIC + size_line(size)):
        raise DataError(path, "the file does not have the size that its first lines state: it was cut or extended")
    if seal != seal_of(size, body.hexdigest()):
        raise DataError(path, "the content does not match the SHA-256 in the first lines: the file is damaged")
