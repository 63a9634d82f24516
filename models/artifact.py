"""Directories written aside and put in place in one step, so that a crash leaves the old or the new one."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import ArtifactError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# What a system or file system without the exchange answers; any other error is one.
_CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a file that it does not write into a sentence about `path`.

    Raises:
        ArtifactError: in the place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written ({error.strerror or error}): make room, or mend the disk or its permissions"
        ) from error


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A fresh folder beside `target` that takes its place when the block ends without an error."""
    make_folder(target.parent)
    staging = target.with_name(f".{target.name}.{os.getpid()}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        yield staging
        publish(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(staging: Path, target: Path) -> None:
    """Make the finished folder `staging` appear as `target`, replacing what was there, durably.

    When it raises before the exchange, `target` is as it was.
    """
    for path in sorted(staging.rglob("*")):
        sync(path)
    sync(staging)
    recover(target)
    if not target.exists():
        staging.rename(target)
        sync(target.parent)
        return
    _exchange(staging, target)
    # Before the old one is removed: the disk might otherwise know of the removals and not of the exchange.
    sync(target.parent)
    shutil.rmtree(staging, ignore_errors=True)


def recover(target: Path) -> None:
    """Put back what a crash between the two renames of a replacement has left aside."""
    if not target.exists() and _aside(target).exists():
        _aside(target).rename(target)
        sync(target.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; they may be there."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders: in one step where the system can (Linux), else in two renames, which `recover` completes."""
    libc = ctypes.CDLL(None, use_errno=True)
    swap = getattr(libc, "renameat2", None)
    if swap is not None and swap(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return
    if swap is not None and ctypes.get_errno() not in _CANNOT_EXCHANGE:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
    aside = _aside(other)
    # Both are there only if a crash came after the second rename: what is aside is then two generations old.
    shutil.rmtree(aside, ignore_errors=True)
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def _aside(target: Path) -> Path:
    """Where the old folder is between two renames; the name is the same for all processes, so that it is found."""
    return target.with_name(f".{target.name}.replaced")


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file aside and rename it into place, durably."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into place, durably; when that fails, `path` is as it was."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        sync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def nan_as_null(value: Any) -> Any:
    """The same with None in place of what is not finite, at any depth: JSON knows no NaN, and a figure may be none."""
    if isinstance(value, Mapping):
        return {key: nan_as_null(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [nan_as_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ArtifactError: it is missing or damaged; the message ends with `remedy`.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: {remedy}") from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): {remedy}") from error
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} holds no JSON object: {remedy}")
    return values


def inside(directory: Path, name: str) -> Path:
    """A file of an artifact by the name that another of its files gives it; no part of it may lead out.

    Raises:
        ArtifactError: it is absolute, or leads out of the folder by `..` or by a link.
    """
    path = directory / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(directory.resolve()):
        raise ArtifactError(f"{directory} names a file that is not inside it ({name}): do not use it, or copy it anew")
    return path


def check_links(directory: Path) -> None:
    """Refuse an artifact with links that lead out of it: what it holds must be its own.

    Raises:
        ArtifactError: there is one; the message names it.
    """
    for folder, names, files in os.walk(directory):
        for name in (*names, *files):
            path = Path(folder, name)
            if path.is_symlink():
                inside(directory, str(path.relative_to(directory)))


def sha256(*paths: Path, tell: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of files, one after the other, in hexadecimal; `tell` hears the length of every block."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                tell(len(block))
    return digest.hexdigest()
