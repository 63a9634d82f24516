"""Directories written aside and put in place in one step, so that a crash leaves the old or the new one."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import ArtifactError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


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
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{os.getpid()}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        yield staging
        publish(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(staging: Path, target: Path) -> None:
    """Make the finished folder `staging` appear as `target`, replacing what was there, durably."""
    for path in sorted(staging.rglob("*")):
        sync(path)
    sync(staging)
    if target.exists():
        _exchange(staging, target)
        # The old folder goes when nothing can bring its name back.
        sync(target.parent)
        shutil.rmtree(staging, ignore_errors=True)
    else:
        staging.rename(target)
        sync(target.parent)


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders: in one step where the system can (Linux), else in two renames."""
    libc = ctypes.CDLL(None, use_errno=True)
    swap = getattr(libc, "renameat2", None)
    if swap is not None and swap(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return
    aside = other.with_name(f".{other.name}.{os.getpid()}.replaced")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file aside and rename it into place."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into place, durably."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
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


def sha256(*paths: Path) -> str:
    """The SHA-256 of files, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
