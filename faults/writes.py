"""Every call that writes, counted, and one of them made to fail: on a full disk, without permission, half done, killed.

Python's own writes are caught one by one. SQLite and faiss write from C: a statement or an index is one call there, and
that they stop in the middle is what a limit on the size of files does, which the system itself enforces.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from unittest.mock import patch

import faiss

from models import artifact


class Kind(StrEnum):
    """What happens at a write."""

    FULL = "disk full"
    DENIED = "permission denied"
    SHORT = "short write, then disk full"
    KILLED = "killed before a write"
    TORN = "killed in a write"
    LIMIT = "file size limit"
    """The system takes no more than so many bytes of any file: `Fault.at` is their number."""


@dataclass(frozen=True)
class Fault:
    """One write that goes wrong.

    Args:
        kind: how.
        at: which call, counted from 0.
        lasting: all calls after it go wrong too.
    """

    kind: Kind
    at: int
    lasting: bool = False


# What changes names or contents in the file system.
_NAMES: Final = ("fsync", "fdatasync", "replace", "rename", "mkdir", "ftruncate", "open", "symlink", "unlink", "rmdir")
_WRITES: Final = ("write", "pwrite")


class Writes:
    """Counts writes, and does to them what a fault says."""

    def __init__(self, fault: Fault | None) -> None:
        self.count = 0
        self._fault = fault

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A call that is done whole or not at all."""
        if self._struck():
            self._fail()
        return function(*arguments, **named)

    def write(self, write: Callable[[Any], Any], content: Any) -> Any:
        """A call that may be done by half."""
        if self._struck():
            assert self._fault is not None
            if self._fault.kind in (Kind.SHORT, Kind.TORN):
                write(_first_half(content))
            self._fail()
        return write(content)

    def _struck(self) -> bool:
        number, self.count = self.count, self.count + 1
        fault = self._fault
        return fault is not None and (number == fault.at or (fault.lasting and number > fault.at))

    def _fail(self) -> None:
        assert self._fault is not None
        if self._fault.kind in (Kind.KILLED, Kind.TORN):
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.EACCES if self._fault.kind is Kind.DENIED else errno.ENOSPC
        raise OSError(number, os.strerror(number))


def _first_half(content: Any) -> Any:
    """Of a text, its characters; of anything else, its bytes."""
    if isinstance(content, str):
        return content[: len(content) // 2]
    held = memoryview(content).cast("B")
    return held[: len(held) // 2]


class _File:
    """A file whose writes are counted.

    It is no `io` class on purpose: numpy writes past Python to those.
    """

    def __init__(self, file: Any, writes: Writes) -> None:
        self._file = file
        self._writes = writes

    def write(self, content: Any) -> Any:
        # Forced out of the buffer, so that a process killed later has written it.
        return self._writes.write(self._through, content)

    def _through(self, content: Any) -> Any:
        found = self._file.write(content)
        self._file.flush()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


@contextmanager
def counted(fault: Fault | None) -> Iterator[Writes]:
    """Count every write of this process, and do to them what a fault says."""
    if fault is not None and fault.kind is Kind.LIMIT:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.at, resource.RLIM_INFINITY))
        fault = None
    writes = Writes(fault)
    patches = [patch.object(os, name, _whole(writes, getattr(os, name))) for name in _NAMES]
    patches += [patch.object(os, name, _half(writes, getattr(os, name))) for name in _WRITES]
    patches += [patch.object(module, "open", _opening(writes, io.open)) for module in (io, builtins)]
    patches.append(patch.object(artifact, "_exchange", _whole(writes, artifact._exchange)))
    patches.append(patch.object(faiss, "write_index", _whole(writes, faiss.write_index)))
    patches.append(patch.object(sqlite3, "connect", _connecting(writes, sqlite3.connect)))
    try:
        for each in patches:
            each.start()
        yield writes
    finally:
        for each in reversed(patches):
            each.stop()


def _whole(writes: Writes, function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **named: writes.call(function, *arguments, **named)


def _half(writes: Writes, function: Callable[..., Any]) -> Callable[..., Any]:
    """One of `os.write`, `os.pwrite`: the file, the bytes, and where."""
    return lambda file, content, *where: writes.write(lambda part: function(file, part, *where), content)


def _opening(writes: Writes, opened: Callable[..., Any]) -> Callable[..., Any]:
    """`open`, which counts where it is to write."""

    def call(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if not set(mode) & set("wax+"):
            return opened(file, mode, *arguments, **named)
        return _File(writes.call(opened, file, mode, *arguments, **named), writes)

    return call


def _connecting(writes: Writes, connect: Callable[..., Any]) -> Callable[..., Any]:
    """`sqlite3.connect`, to a connection whose statements count."""

    class Connection(sqlite3.Connection):
        def executescript(self, *arguments: Any) -> Any:
            return writes.call(super().executescript, *arguments)

        def executemany(self, *arguments: Any) -> Any:
            return writes.call(super().executemany, *arguments)

        def commit(self) -> None:
            writes.call(super().commit)

    return lambda *arguments, **named: connect(*arguments, factory=Connection, **named)
