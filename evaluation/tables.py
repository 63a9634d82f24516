"""Given tables of positives, as CxC (Parekh et al., 2021) and ECCV Caption (Chun et al., 2022) publish them.

A table is a pair of JSON files, `NAME_caption_to_image.json` and `NAME_image_to_caption.json`: objects from an id to a
list of ids. The two need not say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import Entry
from evaluation.positives import Positives
from models.calibration import Direction
from models.errors import CorpusError

CAPTION_TO_IMAGE = "caption_to_image.json"
IMAGE_TO_CAPTION = "image_to_caption.json"


@dataclass(frozen=True, eq=False)
class Table:
    """Positives of both directions, of the queries that the table asks.

    Args:
        name: of the table.
        positives: for each direction; a query that the table does not ask has none.
        unknown: how many ids of the table are not in the collection.
    """

    name: str
    positives: Mapping[Direction, Positives]
    unknown: int


def read_tables(folder: Path, entries: Sequence[Entry]) -> tuple[Table, ...]:
    """All tables in a folder, in the order of their names.

    An image goes by the `cocoid` of its meta and a caption by its place in `sentids`, where those are; otherwise by
    the id of the entry, and by `ID#0`, `ID#1`, … .

    Raises:
        CorpusError: there is no table, one of its two files is missing, or a file is not what it should be.
    """
    names = sorted(path.name.removesuffix(CAPTION_TO_IMAGE) for path in folder.glob(f"*{CAPTION_TO_IMAGE}"))
    if not names:
        raise CorpusError(f"{folder} holds no table: put NAME_{CAPTION_TO_IMAGE} and NAME_{IMAGE_TO_CAPTION} there")
    images = [str(entry.meta.get("cocoid", entry.id)) for entry in entries]
    captions = [name for entry in entries for name in caption_names(entry)]
    return tuple(_table(folder, name, images, captions) for name in names)


def caption_names(entry: Entry) -> list[str]:
    """The ids of an entry's captions."""
    given = entry.meta.get("sentids")
    if isinstance(given, Sequence) and len(given) == len(entry.captions):
        return [str(name) for name in given]
    return [f"{entry.id}#{place}" for place in range(len(entry.captions))]


def _table(folder: Path, name: str, images: Sequence[str], captions: Sequence[str]) -> Table:
    sides = {
        Direction.TEXT_TO_IMAGE: (folder / f"{name}{CAPTION_TO_IMAGE}", captions, images),
        Direction.IMAGE_TO_TEXT: (folder / f"{name}{IMAGE_TO_CAPTION}", images, captions),
    }
    positives, unknown = {}, 0
    for direction, (path, queries, items) in sides.items():
        table = _read(path)
        place = {item: row for row, item in enumerate(items)}
        rows = [[place[item] for item in table.get(query, ()) if item in place] for query in queries]
        positives[direction] = Positives.of(rows, len(items))
        unknown += len(table.keys() - set(queries)) + len(
            {i for listed in table.values() for i in listed} - place.keys()
        )
    return Table(name.rstrip("_") or "table", positives, unknown)


def _read(path: Path) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(query): [str(item) for item in items] for query, items in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise CorpusError(f"{path} is no table of ids ({error}): it maps each id to a list of ids, as JSON") from error
