"""A gallery checked to the last byte: what is damaged, and from what it can be made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index import manifest as layout
from index.gallery import Gallery
from index.items import Modality, open_immutable
from index.journal import JOURNAL, Recorded, read_journal
from index.manifest import ITEMS, FileRecord, Manifest, read_manifest
from models.artifact import sha256
from models.errors import ArtifactError

ENCODE: Final = "only the collection holds it too: build the gallery again, or take the file from a backup"
DERIVED: Final = "it follows from the Gaussians, which need not be encoded again: take it from a backup, or build again"
THUMBNAILS: Final = (
    "texts and labels are in the collection, pictures can be made again only from its images: build the gallery again, "
    "or take the file from a backup"
)
CHANGES: Final = "what it recorded is nowhere else: take the gallery's folder from a backup"


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was, what is wrong with it, and from what it can be had again."""

    file: str
    what: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """What was found.

    Args:
        files: how many were read whole.
        bytes: how many they hold.
        changes: recorded since the gallery was built.
        torn: bytes of a change that was never acknowledged; they mean no harm.
        damages: what is wrong.
    """

    files: int
    bytes: int
    changes: int
    torn: int
    damages: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages


def verify(directory: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Read all of a gallery and hold it against its manifest and its journal; needs no lock.

    Args:
        directory: of the gallery.
        progress: told how many files of how many are read.
    """
    try:
        manifest = read_manifest(directory)
    except ArtifactError as error:
        return Report(0, 0, 0, 0, (Damage(layout.MANIFEST, str(error), "take the gallery's folder from a backup"),))
    damages: list[Damage] = []
    for done, (name, record) in enumerate(manifest.files.items(), start=1):
        damages += _file_damages(directory / name, record)
        progress(done, len(manifest.files))
    damages += _store_damages(directory / ITEMS, manifest)
    recorded, found = _journal(directory)
    damages += found
    if not damages:
        damages += _replay_damages(directory)
    total = sum(record.bytes for record in manifest.files.values())
    changes, torn = (len(recorded.entries), recorded.torn) if recorded else (0, 0)
    return Report(len(manifest.files), total, changes, torn, tuple(damages))


def remedy(name: str) -> str:
    """From what a file of a gallery can be had again."""
    derived = {file(modality) for modality in Modality for file in _DERIVED}
    return THUMBNAILS if name == ITEMS else DERIVED if name in derived else ENCODE


_DERIVED: Final = (layout.sigmas_file, layout.heights_file, layout.shortlist_file)


def _file_damages(path: Path, record: FileRecord) -> Iterator[Damage]:
    if not path.is_file():
        yield Damage(path.name, "is missing", remedy(path.name))
    elif path.stat().st_size != record.bytes:
        what = f"has {path.stat().st_size:,} bytes instead of {record.bytes:,}"
        yield Damage(path.name, what, remedy(path.name))
    elif sha256(path) != record.sha256:
        yield Damage(path.name, "holds other bytes than when it was built", remedy(path.name))


def _store_damages(path: Path, manifest: Manifest) -> Iterator[Damage]:
    """SQLite's own check, and the counts; a file that is no SQLite at all fails the first."""
    if not path.is_file():
        return
    try:
        with closing(open_immutable(path)) as connection:
            [(verdict,)] = connection.execute("PRAGMA integrity_check(1)")
            counts = dict(connection.execute("SELECT modality, count(*) FROM items GROUP BY modality"))
    except sqlite3.Error as error:
        yield Damage(ITEMS, f"cannot be read as SQLite ({error})", THUMBNAILS)
        return
    if verdict != "ok":
        yield Damage(ITEMS, f"fails SQLite's integrity check ({verdict})", THUMBNAILS)
    for modality, count in manifest.counts.items():
        if counts.get(modality.value, 0) != count:
            what = f"holds {counts.get(modality.value, 0):,} items of modality {modality} instead of {count:,}"
            yield Damage(ITEMS, what, THUMBNAILS)


def _journal(directory: Path) -> tuple[Recorded | None, list[Damage]]:
    try:
        return read_journal(directory / JOURNAL), []
    except ArtifactError as error:
        return None, [Damage(JOURNAL, str(error), CHANGES)]


def _replay_damages(directory: Path) -> Iterator[Damage]:
    """What only opening the gallery shows: changes of another gallery, or of items that are not there."""
    try:
        Gallery.open(directory).close()
    except ArtifactError as error:
        yield Damage(JOURNAL, str(error), CHANGES)
