"""A gallery that was built as any other, put into a collection of Milvus; what is left is a folder of a few files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from index.files import manifest as layout
from index.files.manifest import FileRecord, Manifest, Stored, write_manifest
from index.gaussians.storage import StoredGaussians
from index.items import Item, Modality
from index.local.gallery import Gallery
from index.milvus.address import StoreAddress
from index.milvus.connection import KINDS, Collection
from index.milvus.gallery import QUANTILES
from index.milvus.record import Fields, Record, entity, points
from index.ranking import Floats, spread
from index.shortlists.choice import AUTO, FLAT_BYTES, Wanted
from index.shortlists.kinds import KINDS as BUILT
from models.errors import ConfigError
from models.gaussian import Gaussian

TOGETHER: Final = 200
"""Items in one call: some megabytes, with pictures."""


def wanted_in_store(wanted: Wanted, items: int, dim: int) -> Wanted:
    """The shortlists to build before a gallery goes to a store: of a kind that the store has too, one for both.

    Args:
        wanted: what was asked for.
        items: of both modalities.
        dim: of their means.

    Raises:
        ConfigError: the store has no such kind.
    """
    if wanted.kind == AUTO:
        few = BUILT["flat"].memory_bytes(items, dim + 1) <= FLAT_BYTES
        return replace(wanted, kind="flat" if few else "hnsw")
    if wanted.kind not in KINDS:
        raise ConfigError(f"A store has no shortlist of kind {wanted.kind}: name one of {AUTO}, {', '.join(KINDS)}")
    return wanted


def upload(built: Path, address: StoreAddress, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Manifest:
    """Put the items of a gallery into a collection, and write the folder that servers need to answer with it.

    Broken off at any moment, it leaves a collection that says of itself that it is not whole, and the next try makes it
    anew. Where the collection holds this very gallery already, with its changes, it is left as it is.

    Args:
        built: the gallery's folder.
        address: of the collection.
        folder: an empty one.
        tell: told, in sentences, what takes long.

    Raises:
        ConfigError: the collection holds another gallery.
        UnavailableError: the server does not answer.
    """
    collection = Collection(address)
    try:
        with Gallery.built(built) as gallery:
            _fill(collection, gallery, tell)
            return _write_folder(gallery, folder, address)
    finally:
        collection.close()


def _fill(collection: Collection, gallery: Gallery, tell: Callable[[str], None]) -> None:
    if collection.exists():
        content = collection.content()
        if content == gallery.fingerprint:
            tell(f"{collection.address} holds this gallery already.")
            return
        if content is not None:
            raise ConfigError(
                f"{collection.address} holds the gallery {content}: name another collection, or drop this one"
            )
        collection.drop()
    kinds = {record.kind for record in gallery.manifest.shortlists.values()}
    collection.create(gallery.dim + 1, kinds.pop())
    for modality in Modality:
        tell(f"{modality}: {gallery.count(modality):,} items go to {collection.address}.")
        for block in _entities(gallery, modality):
            collection.put(modality, block)
    collection.declare(gallery.fingerprint, _blank(gallery.dim))


def _entities(gallery: Gallery, modality: Modality) -> Iterator[list[Fields]]:
    stored, lift = gallery.stored(modality), gallery.manifest.shortlists[modality].lift
    assert isinstance(stored, StoredGaussians)
    for start in range(0, gallery.count(modality), TOGETHER):
        rows = np.arange(start, min(start + TOGETHER, gallery.count(modality)))
        gaussians, items = stored.take(rows), gallery.items(modality, rows)
        lifted, described = points(gaussians, lift), _described(gallery, items)
        yield [
            entity(
                Record(row, item, gaussians[place]),
                lifted[place],
                stored.log_variances[row].tobytes(),
                gallery.picture(item.id) if modality is Modality.IMAGE else None,
                described[place],
            )
            for place, (row, item) in enumerate(zip(rows.tolist(), items, strict=True))
        ]


def _described(gallery: Gallery, items: tuple[Item, ...]) -> list[Item]:
    """Whose label and metadata count for each item: see `index.filters.conditions.Filter.matches`."""
    images: dict[str, Item] = {}
    for name in {item.image_id for item in items if item.modality is Modality.TEXT and item.image_id}:
        if (found := gallery.find(name)) is not None and found[0] is Modality.IMAGE:
            [images[name]] = gallery.items(Modality.IMAGE, [found[1]])
    return [images.get(item.image_id or "", item) if item.modality is Modality.TEXT else item for item in items]


def _blank(dim: int) -> Fields:
    """An entity that is no item."""
    item = Item("", Modality.IMAGE)
    record = Record(-1, item, Gaussian(torch.zeros(dim), torch.zeros(dim)))
    return entity(record, torch.zeros(dim + 1), b"", None, item)


def _write_folder(gallery: Gallery, folder: Path, address: StoreAddress) -> Manifest:
    for modality in Modality:
        np.save(folder / layout.sigmas_file(modality), _quantiles(gallery, modality))
        coding = gallery.directory / layout.coding_file(modality)
        if coding.exists():
            shutil.copyfile(coding, folder / coding.name)
    files = {path.name: FileRecord.of(path) for path in sorted(folder.iterdir())}
    manifest = replace(gallery.manifest, files=files, store=Stored(str(address), gallery.fingerprint))
    write_manifest(folder, manifest)
    return manifest


def _quantiles(gallery: Gallery, modality: Modality) -> Floats:
    """Up to `QUANTILES` σ of a modality, evenly spread over their order."""
    order = gallery.by_uncertainty(modality, descending=False, limit=gallery.count(modality))
    rows = order[spread(len(order), QUANTILES)] if len(order) else order
    return gallery.gaussians(modality, rows).sigma.numpy().astype("<f4")
