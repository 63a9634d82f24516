"""One process changes a gallery at a time; any number read it, and need no lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.errors import ArtifactError, LockedError


class Lock:
    """The right to change a gallery, from the moment it is made until it is released or the process ends.

    It is on a file beside the gallery, which stays: so it outlives the folder, which a compaction replaces.

    Raises:
        LockedError: another process has it.
        ArtifactError: the file cannot be written.
    """

    def __init__(self, gallery: Path) -> None:
        path = gallery.with_name(f".{gallery.name}.lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be written ({error.strerror}): make its folder writable") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "another one"
            os.close(self._file)
            raise LockedError(
                f"{gallery} is being changed by process {holder}: wait until it ends or stop it (reading needs no lock)"
            ) from error
        # Who holds it is for people to read; the lock holds without.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others change it."""
        os.close(self._file)


@contextmanager
def locked(gallery: Path) -> Iterator[None]:
    """Hold the lock of a gallery; raises as `Lock` does."""
    lock = Lock(gallery)
    try:
        yield
    finally:
        lock.release()
