"""The changes of a gallery on disk: frames appended to a file in its folder, each forced to the disk before it counts.

A frame is a head of 48 bytes (a mark, the length of what follows, its SHA-256, a CRC of these) and a body. The body of
the first one is JSON that names the gallery as it was built. That of any other one is a change: the length of a header,
the header in JSON, the Gaussians as float32 (means, then log-variances), the JPEGs.

What comes after the last whole frame was being written when the process ended, and was never acknowledged: it is cut
off. A frame that is damaged and has whole ones after it was acknowledged: that is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from index.changes.change import Addition, Change
from index.items import Item, Modality
from models.artifact import write_bytes, writing
from models.errors import ArtifactError
from models.gaussian import Gaussian

JOURNAL: Final = "changes.journal"
FORMAT: Final = 1

_MARK: Final = b"PnJ1"
_HEAD: Final = struct.Struct("<4sQ32s")
_CRC: Final = struct.Struct("<I")
_HEAD_BYTES: Final = _HEAD.size + _CRC.size
_LENGTH: Final = struct.Struct("<I")
_REMEDY: Final = "copy the gallery's folder whole from a backup, or remove this file to go back to the gallery as built"


@dataclass(frozen=True)
class Opening:
    """The first frame.

    Args:
        gallery: the fingerprint of the gallery as it was built.
        generation: how many compactions came before.
    """

    gallery: str
    generation: int = 0


@dataclass(frozen=True, eq=False)
class Entry:
    """A change, its frame's SHA-256, and where its frame ends in the file."""

    change: Change
    digest: bytes
    end: int


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a journal holds.

    Args:
        opening: its first frame.
        entries: its changes.
        end: of the last whole frame.
        torn: bytes after that.
    """

    opening: Opening
    entries: tuple[Entry, ...]
    end: int
    torn: int


class Journal:
    """A journal that changes are appended to, by one process that holds the gallery's lock, from one thread at a time.

    Args:
        path: of the file, which is there.
        end: of its last whole frame; what comes after is cut off.
    """

    def __init__(self, path: Path, end: int) -> None:
        self.path = path
        self.end = end
        self._whole = True
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._cut()

    def append(self, change: Change) -> Entry:
        """Record a change durably.

        Raises:
            ArtifactError: it cannot be written, or the file is no longer the gallery's. It is then as if it had never
                been asked for; where the disk refuses even to cut it off, and until the end of the process, it may
                turn up whole.
        """
        self._require_usable()
        body = encode(change)
        frame = framed(body)
        try:
            _write_all(self._file, frame, self.end)
            os.fsync(self._file)
        except OSError as error:
            self._cut()
            undone = "nothing was changed" if self._whole else "whether it was changed shows when it is opened again"
            raise ArtifactError(
                f"{self.path} cannot be written ({error.strerror}), and {undone}: make room or mend the disk"
            ) from error
        self.end += len(frame)
        return Entry(change, hashlib.sha256(body).digest(), self.end)

    @property
    def in_place(self) -> bool:
        """Whether the file is still where it was, and no other program has put another in its place."""
        return self.path.exists() and os.path.samestat(self.path.stat(), os.fstat(self._file))

    def since(self, start: int) -> bytes:
        """The frames from a place on."""
        return os.pread(self._file, self.end - start, start)

    def close(self) -> None:
        """Close the file, after one more try to cut off what was not acknowledged."""
        if not self._whole:
            self._cut()
        os.close(self._file)

    def _cut(self) -> None:
        """Cut off what was not acknowledged; while that fails, nothing more is written."""
        try:
            os.ftruncate(self._file, self.end)
            os.fsync(self._file)
        except OSError:
            self._whole = False
        else:
            self._whole = True

    def _require_usable(self) -> None:
        if not self._whole:
            self._cut()
        if not self._whole:
            raise ArtifactError(f"{self.path} cannot be written: mend the disk, and open the gallery again")
        if not self.in_place:
            raise ArtifactError(f"{self.path} was moved or replaced by another program: open the gallery again")


def create_journal(folder: Path, opening: Opening, frames: bytes = b"") -> Recorded:
    """Write a new journal that goes on with the frames of another one, durably; returns what it holds.

    Raises:
        ArtifactError: it cannot be written.
    """
    path = folder / JOURNAL
    content = framed(json.dumps({"format": FORMAT, **asdict(opening)}).encode()) + frames
    with writing(path):
        write_bytes(path, content)
    return _recorded(path, content)


def read_journal(path: Path) -> Recorded | None:
    """What a journal holds; None when there is none.

    Raises:
        ArtifactError: it cannot be read, or a frame before the last is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error
    return _recorded(path, content)


def _recorded(path: Path, content: bytes) -> Recorded:
    bodies = list(_bodies(path, content))
    if not bodies:
        raise ArtifactError(f"{path} does not begin like a journal: {_REMEDY}")
    try:
        opening = _opening(path, bodies[0][0])
        entries = tuple(Entry(decode(body), hashlib.sha256(body).digest(), end) for body, end in bodies[1:])
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise ArtifactError(f"{path} is no journal of this version ({error!r}): {_REMEDY}") from error
    return Recorded(opening, entries, bodies[-1][1], len(content) - bodies[-1][1])


def framed(body: bytes) -> bytes:
    """A frame."""
    head = _HEAD.pack(_MARK, len(body), hashlib.sha256(body).digest())
    return head + _CRC.pack(zlib.crc32(head)) + body


def encode(change: Change) -> bytes:
    """A change as the body of a frame."""
    jpegs = [each.jpeg or b"" for each in change.added]
    dim = change.added[0].gaussian.dim if change.added else 0
    header = {
        "removed": change.removed,
        "dim": dim,
        "items": [asdict(each.item) for each in change.added],
        "jpegs": [len(jpeg) for jpeg in jpegs],
    }
    told = json.dumps(header, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    means = [each.gaussian.mean.numpy().astype("<f4").tobytes() for each in change.added]
    log_variances = [each.gaussian.log_variance.numpy().astype("<f4").tobytes() for each in change.added]
    return b"".join([_LENGTH.pack(len(told)), told, *means, *log_variances, *jpegs])


def decode(body: bytes) -> Change:
    """The change that `encode` made; raises `KeyError`, `TypeError`, `ValueError` or `struct.error` else."""
    [length] = _LENGTH.unpack_from(body)
    start = _LENGTH.size + length
    header = json.loads(body[_LENGTH.size : start].decode("utf-8", "surrogatepass"))
    count, dim = len(header["items"]), header["dim"]
    numbers = np.frombuffer(body, "<f4", 2 * count * dim, start).reshape(2, count, dim).astype(np.float32)
    means, log_variances = torch.from_numpy(numbers)
    ends = np.cumsum([start + numbers.nbytes, *header["jpegs"]]).tolist()
    jpegs = (body[first:last] or None for first, last in pairwise(ends))
    items = (_item(each) for each in header["items"])
    added = (
        Addition(item, Gaussian(*each), jpeg)
        for item, *each, jpeg in zip(items, means, log_variances, jpegs, strict=True)
    )
    return Change(tuple(header["removed"]), tuple(added))


def _item(values: Mapping[str, Any]) -> Item:
    return Item(**{**values, "modality": Modality(values["modality"])})


def _opening(path: Path, body: bytes) -> Opening:
    values = json.loads(body)
    if values["format"] != FORMAT:
        raise ArtifactError(f"{path} has format {values['format']!r}, and this version reads {FORMAT}: {_REMEDY}")
    return Opening(values["gallery"], values["generation"])


def _bodies(path: Path, content: bytes) -> Iterator[tuple[bytes, int]]:
    """The bodies of the frames, each with where it ends, up to the first one that is not whole."""
    start = 0
    while start < len(content):
        body = _body(content, start)
        if body is None:
            if _whole_after(content, start + 1):
                raise ArtifactError(f"{path} is damaged {start:,} bytes after its start: {_REMEDY}")
            return
        start += _HEAD_BYTES + len(body)
        yield body, start


def _body(content: bytes, start: int) -> bytes | None:
    """That of the frame that starts here; None when it is not whole."""
    head = content[start : start + _HEAD.size]
    if len(content) < start + _HEAD_BYTES or head[:4] != _MARK:
        return None
    if _CRC.unpack_from(content, start + _HEAD.size) != (zlib.crc32(head),):
        return None
    _, length, digest = _HEAD.unpack(head)
    body = content[start + _HEAD_BYTES : start + _HEAD_BYTES + length]
    return body if len(body) == length and hashlib.sha256(body).digest() == digest else None


def is_cut_short(tail: bytes) -> bool:
    """Whether what comes after the last whole frame is the beginning of one, as a process that ends leaves it."""
    if len(tail) < _HEAD_BYTES:
        return _MARK.startswith(tail[: len(_MARK)])
    head = tail[: _HEAD.size]
    if head[: len(_MARK)] != _MARK or _CRC.unpack_from(tail, _HEAD.size) != (zlib.crc32(head),):
        return False
    _, length, _ = _HEAD.unpack(head)
    return len(tail) < _HEAD_BYTES + int(length)


def _whole_after(content: bytes, start: int) -> bool:
    """Whether a whole frame begins anywhere from here on."""
    while (start := content.find(_MARK, start)) >= 0:
        if _body(content, start) is not None:
            return True
        start += 1
    return False


def _write_all(file: int, content: bytes, offset: int) -> None:
    """Write all of it; the system may take less at a time."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written
