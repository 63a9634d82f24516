"""A gallery that lies in Milvus, searched: what this machine has of it, and what one search sees of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch

from index.changes.catalogue import Pending
from index.files import manifest as layout
from index.files.arrays import map_array
from index.files.manifest import Manifest, read_manifest
from index.filters.conditions import Filter
from index.gaussians.storage import Coding, Gaussians, Storage
from index.items import Item, Modality
from index.milvus.address import StoreAddress
from index.milvus.connection import FLAT, MOST, Collection
from index.milvus.facts import any_of, digest, expression, is_exact
from index.milvus.nearest import nearest
from index.milvus.record import (
    DESCRIBED,
    GAUSSIAN,
    ITEM,
    PICTURE,
    Code,
    Fields,
    Record,
    described_of,
    item_of,
    modality_of,
    picture_of,
)
from index.ranking import Floats, Ranking, Rows
from index.searching.uncertainty import Uncertainty, uncertainties
from models.errors import ArtifactError, UnsupportedError
from models.gaussian import Gaussian

QUANTILES: Final = 10_001
"""σ of a modality that each machine has: all of few, and of more as many, evenly spread over their order."""


@dataclass(frozen=True, eq=False)
class Local:
    """What a machine has of a gallery that lies in Milvus.

    Args:
        directory: its folder.
        manifest: what it says of itself.
        codes: how the Gaussians of each modality are written.
        sigmas: up to `QUANTILES` σ of each modality as it was built, rising.
    """

    directory: Path
    manifest: Manifest
    codes: Mapping[Modality, Code]
    sigmas: Mapping[Modality, Floats]

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read it; raises `ArtifactError` when a file is missing or of another make."""
        manifest = read_manifest(directory)
        codes = {modality: _code(directory, manifest, modality) for modality in Modality}
        sigmas = {modality: _sigmas(directory, manifest, modality) for modality in Modality}
        return cls(directory, manifest, codes, sigmas)


class MilvusGallery:
    """A gallery that lies in Milvus, open for searches from any thread; `open` makes one.

    Args:
        local: what this machine has of it.
        collection: where the rest is.
    """

    def __init__(self, local: Local, collection: Collection) -> None:
        self.directory = local.directory
        self.local = local
        self.collection = collection

    @classmethod
    def open(cls, directory: Path, address: StoreAddress) -> Self:
        """Open a folder of `index.milvus.upload` and ask the server for the rest.

        Raises:
            ArtifactError: a file is missing, or the collection holds another gallery.
            UnavailableError: the server does not answer.
        """
        gallery = cls(Local.open(directory), Collection(address))
        try:
            gallery.check()
        except BaseException:
            gallery.close()
            raise
        return gallery

    @property
    def gallery(self) -> Moment:
        """What one search, or one answer, sees of it."""
        return Moment(self.local, self.collection)

    def check(self) -> None:
        """Ask the server for the gallery; raises as `open` does."""
        # Apart, because a collection that is not there is nothing that comes back.
        content = self.collection.content() if self.collection.exists() else None
        store = self.local.manifest.store
        if store is None or content != store.content:
            held = f"holds the gallery {content}" if content else "holds no whole gallery"
            raise ArtifactError(
                f"{self.collection.address} {held}, and not what {self.directory} was built with: build it again, or "
                "name the folder that was"
            )

    def close(self) -> None:
        """End the connection."""
        self.collection.close()


class Moment:
    """What one search sees of a gallery in Milvus: what it found stays as it was found.

    An item comes whole with the shortlist: its Gaussian and what is shown of it are of one state, whatever changes
    meanwhile.

    Args:
        local: what this machine has of it.
        collection: where the rest is.
    """

    def __init__(self, local: Local, collection: Collection) -> None:
        self._local = local
        self._collection = collection
        self._found: dict[tuple[Modality, int], Record] = {}
        self._by_id: dict[str, tuple[Modality, int] | None] = {}

    @property
    def gallery(self) -> Self:
        """Itself."""
        return self

    @property
    def directory(self) -> Path:
        """Its folder on this machine."""
        return self._local.directory

    @property
    def fingerprint(self) -> str:
        """Of what was built: changes since then are not in it, since no server has seen them all."""
        return self._local.manifest.fingerprint

    @property
    def manifest(self) -> Manifest:
        """What it said of itself when it was built."""
        return self._local.manifest

    @property
    def pending(self) -> Pending:
        """Nothing: a change is in the index when it is stored."""
        return Pending(0, 0)

    @property
    def dim(self) -> int:
        """Dimensions of its Gaussians."""
        return self.manifest.dim

    def count(self, modality: Modality) -> int:
        """The number of items of a modality."""
        return self._collection.count(modality)

    def present(self, modality: Modality) -> Filter:
        """What lets all items answer."""
        return Filter(())

    def allowed(self, modality: Modality, wanted: Filter) -> Filter:
        """What lets those answer that a filter lets through: Milvus sees to it."""
        return wanted

    def nearest(self, modality: Modality, mean: torch.Tensor, n: int, allowed: Filter) -> Rows:
        """Up to n rows of a modality, by the squared distance of the lifted means, ties by row.

        Raises:
            UnsupportedError: more are wanted than Milvus gives at once.
        """
        entities = self._searched(modality, np.append(mean.numpy(), np.float32(0)), n, allowed)
        self._keep(modality, entities)
        return np.array([each["row"] for each in entities], np.int64)

    def _searched(self, modality: Modality, point: Floats, n: int, wanted: Filter) -> list[Fields]:
        """The entities nearest to a point that a filter lets through: n, or all there are.

        What Milvus cannot tell apart is looked at again here, and asked for again where too few are left.
        """
        exact, asked = is_exact(wanted), n
        record = self.manifest.shortlists[modality]
        fields = (*ITEM, *GAUSSIAN, *(() if exact else DESCRIBED))
        while True:
            found = nearest(
                self._collection, modality, point, asked, record.effort, expression(wanted), fields, record.kind == FLAT
            )
            kept = found if exact else [each for each in found if _matches(wanted, modality, each)]
            if len(kept) >= n or len(found) < min(asked, MOST):
                return kept[:n]
            if asked >= MOST:
                raise UnsupportedError(
                    f"Of the {MOST:,} items that {self._collection.address} gives at once only {len(kept):,} can "
                    "answer; ask for fewer, or with narrower bounds."
                )
            asked *= 2

    def gaussians(self, modality: Modality, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [n, dim] of rows, in their order; raises `IndexError` when there is no such row."""
        records = self._records(modality, rows)
        if not records:
            return Gaussian(*torch.empty(2, 0, self.dim))
        return Gaussian(
            torch.stack([each.gaussian.mean for each in records]),
            torch.stack([each.gaussian.log_variance for each in records]),
        )

    def stored(self, modality: Modality) -> Gaussians:
        """Raises `UnsupportedError`: all Gaussians would have to come over the network."""
        raise UnsupportedError(
            f"The gallery lies in {self._collection.address}, which is too far away to compare every item; rerank a "
            "larger shortlist instead."
        )

    def items(self, modality: Modality, rows: Sequence[int] | Rows) -> tuple[Item, ...]:
        """The items of rows, in their order; raises `IndexError` when there is no such row."""
        return tuple(each.item for each in self._records(modality, rows))

    def look_up(self, identifiers: Sequence[str]) -> None:
        """Find items at once that will be asked for one after the other."""
        keys = {digest(each): each for each in identifiers}
        quoted = ", ".join(f'"{key}"' for key in keys)
        self._by_id |= dict.fromkeys(identifiers)
        found = self._collection.query(f"key in [{quoted}]", (*ITEM, *GAUSSIAN)) if keys else []
        for modality in Modality:
            entities = [each for each in found if modality_of(each) is modality]
            self._keep(modality, entities)
            self._by_id |= {each["id"]: (modality, int(each["row"])) for each in entities}

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        if identifier not in self._by_id:
            self.look_up([identifier])
        return self._by_id[identifier]

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions, in the order of their rows."""
        entities = self._collection.query(any_of("image_id", [image]), ("id", "row"), Modality.TEXT)
        return tuple(each["id"] for each in sorted(entities, key=lambda each: int(each["row"])))

    def picture(self, identifier: str) -> bytes | None:
        """The JPEG of an image, or None when there is no image of this id."""
        found = self._collection.query(f'key in ["{digest(identifier)}"]', PICTURE, Modality.IMAGE)
        return picture_of(found[0]) if found else None

    def percentiles(self, modality: Modality, sigmas: Floats) -> tuple[float | None, ...]:
        """For each σ [n] the share of a modality's items with a smaller one when it was built, in percent, to 0.01."""
        known = self._local.sigmas[modality]
        if not len(known):
            return (None,) * len(sigmas)
        return tuple((100 * np.searchsorted(known, sigmas.astype(known.dtype)) / len(known)).tolist())

    def uncertainties(self, modality: Modality, gaussians: Gaussian) -> tuple[Uncertainty, ...]:
        """The uncertainty of each of the Gaussians [n, dim], of the gallery or not."""
        return uncertainties(gaussians, partial(self.percentiles, modality))

    def picture_version(self, identifier: str) -> None:
        """None: to know whether a picture is still the same, Milvus would have to be asked for every one."""

    def by_sigma(
        self, modality: Modality, least: float = 0.0, most: float = math.inf, wanted: Filter | None = None
    ) -> Ranking:
        """The rows of a modality with their σ, the smallest first; see `index.local.gallery.Gallery.by_sigma`.

        Raises:
            UnsupportedError: they are more than Milvus gives at once, which gives nothing in an order.
        """
        asked, exact = Filter(()) if wanted is None else wanted, wanted is None or is_exact(wanted)
        fields = ("row", "sigma") if exact else ("sigma", *ITEM, *DESCRIBED)
        parts = [_within(least, most), expression(asked)]
        found = self._collection.query(" and ".join(each for each in parts if each), fields, modality)
        if len(found) >= MOST:
            raise UnsupportedError(
                f"{self._collection.address} gives {MOST:,} items at once, and not in an order; ask for fewer, with a "
                "least or a greatest σ."
            )
        kept = found if exact else [each for each in found if _matches(asked, modality, each)]
        rows = np.array([each["row"] for each in kept], np.int64)
        sigmas = np.array([each["sigma"] for each in kept], np.float32)
        order = np.lexsort((rows, sigmas))
        return Ranking(rows[order], sigmas[order])

    def _records(self, modality: Modality, rows: Sequence[int] | Rows) -> list[Record]:
        wanted = [(modality, int(row)) for row in rows]
        missing = sorted({row for _, row in wanted if (modality, row) not in self._found})
        if missing:
            self._keep(modality, self._collection.query(f"row in {missing}", (*ITEM, *GAUSSIAN), modality))
        lost = next((row for row in missing if (modality, row) not in self._found), None)
        if lost is not None:
            raise IndexError(f"the gallery has no {modality.value} in row {lost}")
        return [self._found[key] for key in wanted]

    def _keep(self, modality: Modality, entities: Sequence[Fields]) -> None:
        for each in self._local.codes[modality].records(modality, entities):
            self._found[modality, each.row] = each


def _matches(wanted: Filter, modality: Modality, entity: Fields) -> bool:
    item = item_of(modality, entity)
    return wanted.matches(item, described_of(item, entity))


def _within(least: float, most: float) -> str:
    """The expression for a σ within bounds, as float32 has them; of all, too."""
    low, high = float(np.float32(least)), float(np.float32(min(most, float(np.finfo(np.float32).max))))
    return f"sigma >= {low!r} and sigma <= {high!r}"


def _code(directory: Path, manifest: Manifest, modality: Modality) -> Code:
    storage = manifest.storage[modality].storage
    if storage is Storage.FLOAT32 or not manifest.counts[modality]:
        return Code(manifest.dim, Storage.FLOAT32, None)
    coding = map_array(directory / layout.coding_file(modality), (2, manifest.dim), np.dtype("<f4"))
    return Code(manifest.dim, storage, Coding(*coding.copy()))


def _sigmas(directory: Path, manifest: Manifest, modality: Modality) -> Floats:
    count = min(QUANTILES, manifest.counts[modality])
    return map_array(directory / layout.sigmas_file(modality), (count,), np.dtype("<f4"))
