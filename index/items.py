"""What a gallery's rows stand for, in SQLite: looked up by row or by id, never loaded whole."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from index.fields import Value, described_values
from models.errors import ArtifactError

REMEDY: Final = "build the gallery again, or copy its folder whole"

_SCHEMA: Final = """
CREATE TABLE items (
    modality TEXT NOT NULL, row INTEGER NOT NULL, id TEXT NOT NULL,
    text TEXT, image_id TEXT, label TEXT, meta TEXT NOT NULL,
    PRIMARY KEY (modality, row)
) WITHOUT ROWID;
CREATE TABLE pictures (row INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE field_values (
    modality TEXT NOT NULL, field TEXT NOT NULL, value NOT NULL, row INTEGER NOT NULL,
    PRIMARY KEY (modality, field, value, row)
) WITHOUT ROWID;
"""
_BY_ID: Final = "CREATE UNIQUE INDEX items_by_id ON items (id)"
_BY_IMAGE: Final = "CREATE INDEX captions_by_image ON items (image_id) WHERE modality = 'text'"
# A caption is described by its image where that is there.
_DESCRIBED: Final = """
SELECT modality, row, image_id, label, meta FROM items AS item WHERE modality = 'image' OR NOT EXISTS (
    SELECT 1 FROM items AS image WHERE image.id = item.image_id AND image.modality = 'image'
)
"""
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
        self._lock = threading.Lock()
        try:
            self._connection = open_immutable(path)
            self._close = weakref.finalize(self, self._connection.close)
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

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions, in the order of their rows."""
        query = "SELECT id FROM items WHERE image_id = ? AND modality = 'text' ORDER BY row"
        return tuple(identifier for (identifier,) in self._rows(query, (image,)))

    def close(self) -> None:
        """Close the file; so does the end of the last search in it, where nobody does."""
        with self._lock:
            self._close()

    def _chunk(self, modality: Modality, rows: Sequence[int]) -> dict[int, Item]:
        marks = ", ".join("?" * len(rows))
        query = f"SELECT row, {_COLUMNS} FROM items WHERE modality = ? AND row IN ({marks})"
        return {row: _item(*values) for row, *values in self._rows(query, (modality.value, *rows))}

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def open_immutable(path: Path) -> sqlite3.Connection:
    """A connection to a file that nothing writes to, for whichever thread has it to itself; raises `sqlite3.Error`."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def write_items(path: Path, items: Iterable[tuple[int, Item]], pictures: Iterable[tuple[int, bytes]]) -> None:
    """Write items and the JPEGs of images, each with its row within its modality, to a new file.

    Raises:
        OSError: it cannot be written.
    """
    try:
        _write_items(path, items, pictures)
    except sqlite3.Error as error:
        raise OSError(None, str(error), str(path)) from error


def _write_items(path: Path, items: Iterable[tuple[int, Item]], pictures: Iterable[tuple[int, bytes]]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", map(_record, items))
        connection.executemany("INSERT INTO pictures VALUES (?, ?)", pictures)
        connection.execute(_BY_ID)
        connection.execute(_BY_IMAGE)
        connection.executemany("INSERT OR IGNORE INTO field_values VALUES (?, ?, ?, ?)", _field_values(connection))


def _field_values(connection: sqlite3.Connection) -> Iterator[tuple[str, str, Value, int]]:
    """What filters find items by."""
    for modality, row, image_id, label, meta in connection.execute(_DESCRIBED):
        for name, value in described_values(image_id, label, json.loads(meta)):
            yield modality, name, value, row


class _Written(Mapping[str, Any]):
    """A JSON object that is read when it is first looked into: most searches show none of it, and reading what is said
    of ten items takes longer than finding them.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _read(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self._text)
        return read

    def __getitem__(self, name: str) -> Any:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __repr__(self) -> str:
        return repr(self._read)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        """A plain dictionary, so that `dataclasses.asdict` gives of an item what `json.dumps` takes."""
        return deepcopy(self._read, memo)


def _item(identifier: str, modality: str, text: str | None, image_id: str | None, label: str | None, meta: str) -> Item:
    return Item(identifier, Modality(modality), text, image_id, label, _Written(meta))


def _record(numbered: tuple[int, Item]) -> tuple[Any, ...]:
    row, item = numbered
    meta = json.dumps(dict(item.meta), ensure_ascii=False, separators=(",", ":"))
    return item.modality.value, row, item.id, item.text, item.image_id, item.label, meta
