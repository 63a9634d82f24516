"""Whether what a gallery's files hold can be right: finite numbers, whole tables, the counts told."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from index.files.manifest import ITEMS, Manifest
from index.gaussians.storage import BLOCK

_FOUND: Final = {
    "rows that are not numbered from 0": (
        "SELECT count(*) FROM (SELECT 1 FROM items GROUP BY modality HAVING min(row) != 0 OR max(row) != count(*) - 1)"
    ),
    "pictures without an image": (
        "SELECT count(*) FROM pictures WHERE row NOT IN (SELECT row FROM items WHERE modality = 'image')"
    ),
    "captions without their image": (
        "SELECT count(*) FROM items WHERE modality = 'text' AND image_id NOT IN "
        "(SELECT id FROM items WHERE modality = 'image')"
    ),
}
"""What there must be none of in the items' tables, and how many there are."""


def content_damages(directory: Path, manifest: Manifest, without: Collection[str]) -> Iterator[tuple[str, str]]:
    """The files whose contents are wrong, each with what is; those of `without` are not looked at."""
    for name in (each for each in manifest.files if each.endswith(".npy") and each not in without):
        what = _array_damage(directory / name)
        if what is not None:
            yield name, what
    if ITEMS not in without:
        what = _items_damage(directory / ITEMS, manifest)
        if what is not None:
            yield ITEMS, what


def _array_damage(path: Path) -> str | None:
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        return f"is no array ({error})"
    if array.dtype.kind != "f":
        return None
    bad = sum(_not_finite(array[start : start + BLOCK]) for start in range(0, len(array), BLOCK))
    return f"holds numbers that are not finite, in {bad:,} of {len(array):,} rows" if bad else None


def _not_finite(rows: Any) -> int:
    """How many of these rows hold a number that is not finite."""
    return int((~np.isfinite(rows).reshape(len(rows), -1).all(1)).sum())


def _items_damage(path: Path, manifest: Manifest) -> str | None:
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return next(_table_damages(connection, manifest), None)
    except sqlite3.Error as error:
        return f"cannot be read as SQLite ({error})"


def _table_damages(connection: sqlite3.Connection, manifest: Manifest) -> Iterator[str]:
    [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        yield f"is damaged inside, SQLite says ({found})"
    for modality, expected in manifest.counts.items():
        [count] = connection.execute("SELECT count(*) FROM items WHERE modality = ?", (modality.value,)).fetchone()
        if count != expected:
            yield f"holds {count:,} items of modality {modality.value}, and the manifest says {expected:,}"
    for what, query in _FOUND.items():
        [count] = connection.execute(query).fetchone()
        if count:
            yield f"holds {count:,} {what}"
