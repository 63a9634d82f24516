"""What a gallery's rows stand for, in SQLite: looked up by row or by id, never loaded whole."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from models.errors import ArtifactError

REMEDY: Final = "build the gallery again, or copy its folder whole"

_SCHEMA: Final = """
CREATE TABLE items (
    modality TEXT NOT NULL, row INTEGER NOT NULL, id TEXT NOT NULL,
    text TEXT, image_id TEXT, label TEXT, meta TEXT NOT NULL,
    PRIMARY KEY (modality, row)
) WITHOUT ROWID;
CREATE TABLE pictures (row INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
"""
_BY_ID: Final = "CREATE UNIQUE INDEX items_by_id ON items (id)"
_COLUMNS: Final = "id, modality, text, image_id, label, meta"
# SQLite's limit on parameters is 32,766 since 3.32, and was 999 before.
_CHUNK: Final = 900


class Modality(StrEnum):
    """What an item is."""

    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True)
class Item:
    """One image or one caption of a gallery.

    Args:
        id: an image's is its entry's in the corpus; caption n of that entry, counted from 0, is `{id}#{n}`.
        modality: image or text.
        text: the caption; None for an image.
        image_id: for a caption, the image it was written for; for an image, itself.
        label: the class of its entry, where there are classes.
        meta: what the corpus says of the image; empty for a caption, which names its image.
    """

    id: str
    modality: Modality
    text: str | None = None
    image_id: str | None = None
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class ItemStore:
    """Reads the items of a finished gallery, from any thread.

    One read-only connection behind a lock: a look-up takes some ten microseconds, so threads wait for each other less
    than connections of their own would cost, and there is one handle to close. The file is opened as immutable: a
    published gallery is never written to, and so it needs no locks on disk and may lie on a read-only volume.

    Raises:
        ArtifactError: the file is no store of items.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self.count(Modality.IMAGE)
        except sqlite3.Error as error:
            raise ArtifactError(f"{path} cannot be read as SQLite ({error}): {REMEDY}") from error

    def count(self, modality: Modality) -> int:
        """The number of items of a modality."""
        [(count,)] = self._rows("SELECT count(*) FROM items WHERE modality = ?", (modality.value,))
        return int(count)

    def items(self, modality: Modality, rows: Sequence[int]) -> tuple[Item, ...]:
        """The items of these rows, in their order.

        Raises:
            IndexError: there is no such row.
        """
        found: dict[int, Item] = {}
        for start in range(0, len(rows), _CHUNK):
            found |= self._chunk(modality, rows[start : start + _CHUNK])
        missing = [row for row in rows if row not in found]
        if missing:
            raise IndexError(f"the gallery has no {modality.value} in row {missing[0]}")
        return tuple(found[row] for row in rows)

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        for modality, row in self._rows("SELECT modality, row FROM items WHERE id = ?", (identifier,)):
            return Modality(modality), int(row)
        return None

    def picture(self, identifier: str) -> bytes | None:
        """The stored JPEG of an image, or None when there is none of this id."""
        query = "SELECT jpeg FROM items JOIN pictures USING (row) WHERE id = ? AND modality = 'image'"
        for (jpeg,) in self._rows(query, (identifier,)):
            return bytes(jpeg)
        return None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _chunk(self, modality: Modality, rows: Sequence[int]) -> dict[int, Item]:
        marks = ", ".join("?" * len(rows))
        query = f"SELECT row, {_COLUMNS} FROM items WHERE modality = ? AND row IN ({marks})"
        return {row: _item(*values) for row, *values in self._rows(query, (modality.value, *rows))}

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def write_items(path: Path, items: Iterable[tuple[int, Item]], pictures: Iterable[tuple[int, bytes]]) -> None:
    """Write items and the JPEGs of images, each with its row within its modality, to a new file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", map(_record, items))
        connection.executemany("INSERT INTO pictures VALUES (?, ?)", pictures)
        connection.execute(_BY_ID)


def _item(identifier: str, modality: str, text: str | None, image_id: str | None, label: str | None, meta: str) -> Item:
    return Item(identifier, Modality(modality), text, image_id, label, json.loads(meta))


def _record(numbered: tuple[int, Item]) -> tuple[Any, ...]:
    row, item = numbered
    meta = json.dumps(dict(item.meta), ensure_ascii=False, separators=(",", ":"))
    return item.modality.value, row, item.id, item.text, item.image_id, item.label, meta
