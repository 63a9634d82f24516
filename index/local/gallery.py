"""A gallery as it is at one moment: the Gaussians of images and captions, and what they stand for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch

from index.allowed import Allowed
from index.changes.catalogue import Catalogue, Pending
from index.changes.journal import JOURNAL, Entry, Recorded, read_journal
from index.files.manifest import ITEMS, Manifest, check_model, read_manifest
from index.filters.conditions import Filter
from index.filters.field_index import FieldIndex
from index.filters.filtering import Filtering
from index.gaussians.storage import Gaussians
from index.items import REMEDY, Item, ItemStore, Modality
from index.kept import kept
from index.local.overlay import Overlay
from index.local.shelf import open_shelf
from index.ranking import Floats, Ranking, Rows
from index.searching.uncertainty import Uncertainty, uncertainties
from index.shortlists.loss import Space
from models.artifact import check_links, inside
from models.errors import ArtifactError, ChangeError
from models.gaussian import Gaussian

KEPT: Final = 16
"""Filters whose rows are kept, a byte a row each."""
VERSION: Final = 16
"""Hexadecimal digits that tell versions of a picture apart."""


class Gallery:
    """Reads a gallery as it is at one moment, from any thread; `open` makes one, and `changed` another one.

    A row is of this gallery: after a change the same item may have another one.

    Args:
        directory: where it lies.
        manifest: what it said of itself when it was built.
        fingerprint: what identifies its content (SHA-256, hex).
        catalogue: its items.
        overlays: its Gaussians, for each modality.
        fields: what filters find the items built by.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        fingerprint: str,
        catalogue: Catalogue,
        overlays: Mapping[Modality, Overlay],
        fields: FieldIndex,
    ) -> None:
        self.directory = directory
        self.fingerprint = fingerprint
        self._built = manifest
        self._catalogue = catalogue
        self._overlays = overlays
        self._fields = fields
        self._filtering = Filtering(catalogue, fields)
        self.allowed = kept(self._allowed, KEPT)

    @classmethod
    def open(cls, directory: Path, *, model: str | None = None) -> Self:
        """Open a gallery with all its changes, checking all that is cheap to check (not the hashes of its files).

        Args:
            directory: that of `index.building.build.build`.
            model: the fingerprint of the model that will answer with it, or None to check none.

        Raises:
            ArtifactError: a file is missing, cut short or of another make, or another model made the gallery; one
                sentence names it and the remedy.
        """
        while True:
            folder = _inode(directory)
            try:
                return cls.built(directory, model=model).replayed(read_journal(directory / JOURNAL))
            except ArtifactError:
                # A compaction may have put another folder in this one's place, and removed this one.
                if folder == _inode(directory):
                    raise

    @classmethod
    def built(cls, directory: Path, *, model: str | None = None) -> Self:
        """Open a gallery without its changes; see `open`."""
        manifest = read_manifest(directory)
        if manifest.store is not None:
            raise ArtifactError(
                f"The items of {directory} lie in {manifest.store.address}, and this needs all of a gallery in its "
                "folder: build one without --store"
            )
        check_model(directory, manifest, model)
        check_links(directory)
        _check_sizes(directory, manifest)
        overlays = {modality: Overlay.over(open_shelf(directory, manifest, modality)) for modality in Modality}
        store = ItemStore(directory / ITEMS)
        for modality, count in manifest.counts.items():
            if store.count(modality) != count:
                raise ArtifactError(
                    f"{directory / ITEMS} holds {store.count(modality)} items of modality {modality.value}, and "
                    f"the manifest says {count}: {REMEDY}"
                )
        catalogue, fields = Catalogue(store, manifest.counts), FieldIndex(directory / ITEMS, manifest.counts)
        return cls(directory, manifest, manifest.fingerprint, catalogue, overlays, fields)

    def replayed(self, recorded: Recorded | None) -> Self:
        """As it is after the changes in its journal; raises `ArtifactError` when that is another gallery's."""
        if recorded is None:
            return self
        if recorded.opening.gallery != self._built.fingerprint:
            raise ArtifactError(
                f"{self.directory / JOURNAL} is of the gallery {recorded.opening.gallery}, not of "
                f"{self._built.fingerprint}: copy the gallery's folder whole"
            )
        return self.changed(recorded.entries)

    def changed(self, entries: Sequence[Entry]) -> Self:
        """As it is after more changes."""
        catalogue, emptied = self._catalogue.changed(entry.change for entry in entries)
        came = [each for entry in entries for each in entry.change.added]
        overlays = {
            modality: overlay.changed(
                emptied[modality], [each.gaussian for each in came if each.item.modality is modality]
            )
            for modality, overlay in self._overlays.items()
        }
        fingerprint = self.fingerprint
        for entry in entries:
            fingerprint = hashlib.sha256(fingerprint.encode() + entry.digest).hexdigest()
        return type(self)(self.directory, self._built, fingerprint, catalogue, overlays, self._fields)

    def moved(self, directory: Path) -> Self:
        """The same after its folder got another name."""
        return type(self)(directory, self._built, self.fingerprint, self._catalogue, self._overlays, self._fields)

    @property
    def pending(self) -> Pending:
        """What changed since it was built."""
        return self._catalogue.pending

    @property
    def gallery(self) -> Self:
        """Itself, at this moment and later: see `index.searching.contract.Searched`."""
        return self

    @cached_property
    def manifest(self) -> Manifest:
        """What it said of itself when it was built, with the counts of now."""
        return replace(self._built, counts={modality: self.count(modality) for modality in Modality})

    @cached_property
    def _built_fingerprint(self) -> str:
        return self._built.fingerprint

    @property
    def dim(self) -> int:
        """Dimensions of its Gaussians."""
        return self._built.dim

    def count(self, modality: Modality) -> int:
        """The number of items of a modality."""
        return self._overlays[modality].count

    def require_liftable(self, modality: Modality) -> None:
        """Refuse additions to a modality that says not how they would be compared with what was built.

        Raises:
            ChangeError: an earlier version built its shortlist.
        """
        record = self._built.shortlists[modality]
        if record.over is not Space.MEAN and record.lift is None:
            raise ChangeError(
                f"{self.directory} was built by an earlier version, which did not note how its {modality.value}s were "
                "lifted: build it again to add to it"
            )

    def present(self, modality: Modality) -> Allowed | None:
        """The rows of a modality that hold an item; None where all do, which are then 0 … count − 1."""
        return self._overlays[modality].allowed

    def rows(self, modality: Modality) -> Rows:
        """The rows of a modality that hold an item, rising."""
        present = self.present(modality)
        return np.arange(self.count(modality)) if present is None else present.rows

    def _allowed(self, modality: Modality, wanted: Filter) -> Allowed:
        """The rows of a modality whose items a filter lets through; the last few filters' are kept."""
        matching, present = Allowed(self._filtering.mask(modality, wanted)), self.present(modality)
        return matching if present is None else matching & present

    def nearest(self, modality: Modality, mean: torch.Tensor, n: int, allowed: Allowed | None = None) -> Rows:
        """The shortlist of a query: up to n rows of a modality, in the order of the shortlist.

        Args:
            modality: that answers.
            mean: [dim] of the query.
            n: how many; there are fewer only where fewer may answer.
            allowed: which may; None for all.
        """
        return self._overlays[modality].nearest(mean.numpy(), n, allowed).rows

    def gaussians(self, modality: Modality, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [n, dim] of rows, in their order; float32, on the CPU, a copy.

        Raises:
            IndexError: there is no such row.
        """
        return self._overlays[modality].gaussians.take(rows)

    def stored(self, modality: Modality) -> Gaussians:
        """The Gaussians of all rows of a modality where they lie, also of rows that hold no item: see `present`."""
        return self._overlays[modality].gaussians

    def items(self, modality: Modality, rows: Sequence[int] | Rows) -> tuple[Item, ...]:
        """The items of rows, in their order; raises `IndexError` when there is no such row."""
        return self._catalogue.items(modality, [int(row) for row in rows])

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        return self._catalogue.find(identifier)

    @property
    def image_rows(self) -> Rows:
        """For each row of the captions the row of its image, −1 where that is not there; of empty rows, either."""
        return self._filtering.images

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions, in the order of their rows."""
        return self._catalogue.captions(image)

    def picture(self, identifier: str) -> bytes | None:
        """The JPEG of an image, its longer side at most 256 pixels, or None when there is no image of this id."""
        return self._catalogue.picture(identifier)

    def picture_version(self, identifier: str) -> str:
        """What changes whenever the picture of an image does (hex); the same for all pictures that were built together.

        No change of the gallery gives another one to a picture that it leaves alone.
        """
        came = self._catalogue.came(identifier)
        made = self._built_fingerprint if came is None else hashlib.sha256(came.jpeg or b"").hexdigest()
        return made[:VERSION]

    def percentiles(self, modality: Modality, sigmas: Floats) -> tuple[float | None, ...]:
        """For each σ [n] the share of the gallery's items of a modality with a smaller one, in percent; None when it
        has none.
        """
        overlay = self._overlays[modality]
        if not overlay.count:
            return (None,) * len(sigmas)
        return tuple((100 * overlay.smaller(sigmas) / overlay.count).tolist())

    def uncertainties(self, modality: Modality, gaussians: Gaussian) -> tuple[Uncertainty, ...]:
        """The uncertainty of each of the Gaussians [n, dim], of the gallery or not, beside its items of a modality."""
        return uncertainties(gaussians, partial(self.percentiles, modality))

    def by_uncertainty(self, modality: Modality, *, descending: bool = True, limit: int = 10, offset: int = 0) -> Rows:
        """Rows int64 in the order of σ, `limit` of them from place `offset` on."""
        order = self.by_sigma(modality).rows
        return (order[::-1] if descending else order)[offset : offset + limit]

    def by_sigma(
        self, modality: Modality, least: float = 0.0, most: float = math.inf, wanted: Filter | None = None
    ) -> Ranking:
        """The rows of a modality with their σ, the smallest first.

        Args:
            modality: of the items.
            least: items with a smaller σ are left out.
            most: items with a greater σ are left out.
            wanted: which others may be there; None for all.
        """
        order = self._overlays[modality].by_sigma
        # In the type of the array: for a float64 numpy would convert all of it, each time.
        with np.errstate(over="ignore"):
            bounds = np.array([least, most]).astype(order.values.dtype)
        start, end = np.searchsorted(order.values, bounds[0]), np.searchsorted(order.values, bounds[1], "right")
        rows, sigmas = order.rows[start:end], order.values[start:end]
        if wanted is not None:
            fits = self.allowed(modality, wanted).mask[rows]
            rows, sigmas = rows[fits], sigmas[fits]
        return Ranking(rows, sigmas)

    def check(self) -> None:
        """Nothing: it lies on this machine, and was checked when it was opened."""

    def close(self) -> None:
        """Close the files; arrays still in use stay mapped."""
        self._catalogue.store.close()
        self._fields.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _inode(directory: Path) -> int | None:
    return directory.stat().st_ino if directory.exists() else None


def _check_sizes(directory: Path, manifest: Manifest) -> None:
    for name, record in manifest.files.items():
        path = inside(directory, name)
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: {REMEDY}")
        if path.stat().st_size != record.bytes:
            raise ArtifactError(f"{path} has {path.stat().st_size:,} bytes instead of {record.bytes:,}: {REMEDY}")
