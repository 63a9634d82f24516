"""A disk that refuses: every call that writes is counted, and one of them fails."""

from __future__ import annotations

import builtins
import errno
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any, Final
from unittest import mock

import faiss

from models import artifact

_CALLS: Final = ("pwrite", "fsync", "ftruncate", "mkdir", "rename", "replace")


class Kind(StrEnum):
    """How a call fails."""

    FULL = "disk full"
    DENIED = "no permission"
    SHORT = "short write"
    """Half of it is written, and the disk is full from then on; what writes nothing finds the disk full."""

    @property
    def error(self) -> OSError:
        """What the system says."""
        number = errno.EACCES if self is Kind.DENIED else errno.ENOSPC
        return OSError(number, os.strerror(number))


class Refusals:
    """Lets all calls that write through but one.

    Args:
        kind: how that one fails.
        at: which, counted from 0.
    """

    def __init__(self, kind: Kind, at: int) -> None:
        self._kind = kind
        self._at = at
        self._calls = 0
        self._short = False

    @property
    def hit(self) -> bool:
        """Whether there was that call."""
        return self._calls > self._at

    @contextmanager
    def on(self) -> Iterator[None]:
        """Refuse within this block."""
        with ExitStack() as patches:
            for name in _CALLS:
                patches.enter_context(mock.patch.object(os, name, self._guarded(getattr(os, name))))
            for module in (io, builtins):
                patches.enter_context(mock.patch.object(module, "open", self._opening(module.open)))
            patches.enter_context(mock.patch.object(artifact, "_exchange", self._guarded(artifact._exchange)))
            patches.enter_context(mock.patch.object(sqlite3, "connect", self._connecting(sqlite3.connect)))
            refused = self._guarded(faiss.write_index, lambda: RuntimeError("could not write"))
            patches.enter_context(mock.patch.object(faiss, "write_index", refused))
            yield

    def check(self, error: Callable[[], Exception] | None = None) -> bool:
        """Count a call; raises where it fails, and says whether only half of it is to be written."""
        number, self._calls = self._calls, self._calls + 1
        if number == self._at and self._kind is Kind.SHORT and error is None:
            self._short = True
            return True
        if number == self._at or (self._short and number == self._at + 1):
            raise self._kind.error if error is None else error()
        return False

    def _guarded(self, real: Callable[..., Any], error: Callable[[], Exception] | None = None) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.check(error):
                if real.__name__ != "pwrite":
                    raise self._kind.error
                file, content, offset = arguments
                return real(file, content[: len(content) // 2], offset)
            return real(*arguments, **named)

        return call

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def open_file(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+"):
                return real(file, mode, *rest, **named)
            if self.check():
                raise self._kind.error
            return _File(real(file, mode, *rest, **named), self)

        return open_file

    def _connecting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        refusals = self

        class Connection(sqlite3.Connection):
            def executemany(self, *arguments: Any) -> Any:
                refusals.check(lambda: sqlite3.OperationalError("database or disk is full"))
                return super().executemany(*arguments)

        def connect(database: Any, **named: Any) -> Any:
            return real(database, **named) if named.get("uri") else real(database, factory=Connection, **named)

        return connect


class _File:
    """A file that is written to; no file to numpy, which would write past it."""

    def __init__(self, file: Any, refusals: Refusals) -> None:
        self._file = file
        self._refusals = refusals

    def write(self, content: Any) -> Any:
        """Write, or fail to, with half of it written or nothing."""
        if self._refusals.check():
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise Kind.SHORT.error
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()
