"""A changed gallery built anew, aside, of the Gaussians that it holds: its changes become part of what was built."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from index.building.assembly import Material, Origin, Plan, assemble_material
from index.exploring.audit import carry_audit
from index.files.manifest import Manifest
from index.files.shards import Shard
from index.items import Item, Modality
from index.local.gallery import Gallery
from index.ranking import Rows
from index.shortlists.choice import AUTO, Choice, Wanted, choose
from models.artifact import sync, writing
from models.errors import ConfigError
from models.match import MatchHead

BLOCK: Final = 512
"""Items that are read at once."""


def rebuilt(
    gallery: Gallery, heads: Mapping[Modality, MatchHead], folder: Path, tell: Callable[[str], None]
) -> Gallery:
    """Build a gallery of all that another one holds, in its order; nothing is encoded.

    Args:
        gallery: whose items and Gaussians are taken.
        heads: the match head of the direction in which each modality answers.
        folder: of the new one; emptied first, and removed when this fails.
        tell: told, in sentences, what takes long.

    Raises:
        ArtifactError: it cannot be written.
    """
    try:
        with writing(folder):
            clear_leftovers(gallery.directory)
            folder.mkdir()
            manifest = _write(gallery, heads, folder, tell)
            carry_audit(gallery, folder, manifest.fingerprint)
            for path in folder.iterdir():
                sync(path)
        return Gallery.built(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def folder_of(directory: Path) -> Path:
    """Where a gallery is compacted: beside it, under a name that is the same every time."""
    return directory.with_name(f".{directory.name}.compacting")


def clear_leftovers(directory: Path) -> None:
    """Remove what a compaction that was interrupted left: a new generation that is not whole, or the old one."""
    folder = folder_of(directory)
    if folder.exists():
        # The names must be on the disk before either folder goes.
        sync(directory.parent)
        shutil.rmtree(folder)


def _write(
    gallery: Gallery, heads: Mapping[Modality, MatchHead], folder: Path, tell: Callable[[str], None]
) -> Manifest:
    was = gallery.manifest
    origin = Origin(was.model, was.model_fingerprint, was.corpus_fingerprint, was.dim)
    plan = Plan(was.parameters, _kinds(was.parameters.shortlist, was.counts, was.dim), heads)
    rows = {modality: gallery.rows(modality) for modality in Modality}
    shards = {modality: partial(_shards, gallery, modality, rows[modality]) for modality in Modality}
    material = Material(was.counts, lambda: _items(gallery, rows), shards)
    return assemble_material(folder, origin, plan, material, was.left_out, tell)


def _kinds(wanted: Wanted, counts: Mapping[Modality, int], dim: int) -> dict[Modality, Choice]:
    """As it was built; where that kind cannot be built of so few items any more, as it is measured."""
    try:
        return choose(wanted, counts, dim)
    except ConfigError:
        return choose(replace(wanted, kind=AUTO), counts, dim)


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _shards(gallery: Gallery, modality: Modality, rows: Rows) -> Iterator[Shard]:
    for block in _blocks(rows):
        pictures = _pictures(gallery, block) if modality is Modality.IMAGE else ()
        yield Shard(gallery.gaussians(modality, block), tuple(range(len(block))), pictures)


def _pictures(gallery: Gallery, rows: Rows) -> tuple[bytes, ...]:
    return tuple(gallery.picture(item.id) or b"" for item in gallery.items(Modality.IMAGE, rows))


def _items(gallery: Gallery, rows: Mapping[Modality, Rows]) -> Iterator[tuple[int, Item]]:
    for modality in Modality:
        items = (item for block in _blocks(rows[modality]) for item in gallery.items(modality, block))
        yield from enumerate(items)
