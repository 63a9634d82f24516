"""A gallery on disk: the Gaussians of images and captions, memory-mapped, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from index import manifest as layout
from index.arrays import map_array, open_gaussians
from index.items import REMEDY, Item, ItemStore, Modality
from index.manifest import ITEMS, Manifest, read_manifest
from index.points import Points
from index.ranking import Floats, Rows
from index.shortlist import KINDS
from index.shortlist_contract import Shortlist
from index.shortlist_loss import Space
from index.storage import StoredGaussians
from models.errors import ArtifactError
from models.gaussian import Gaussian


@dataclass(frozen=True)
class Uncertainty:
    """How sure the model is about one item or query.

    Args:
        sigma: the geometric mean of the standard deviations (PCME's measure).
        log_det_covariance: natural logarithm.
        total_variance: the trace of the covariance.
        percentile: the share of the gallery's items of the same modality with a smaller sigma, in percent; None when
            it has none.
    """

    sigma: float
    log_det_covariance: float
    total_variance: float
    percentile: float | None


class Gallery:
    """Reads a finished gallery, from any thread; `open` makes one.

    Args:
        directory: where it lies.
        manifest: what it says of itself.
        items: its items.
        shelves: its Gaussians, for each modality.
    """

    def __init__(
        self, directory: Path, manifest: Manifest, items: ItemStore, shelves: Mapping[Modality, _Shelf]
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self._items = items
        self._shelves = shelves

    @classmethod
    def open(cls, directory: Path, *, model: str | None = None) -> Self:
        """Open a gallery, checking all that is cheap to check (not the hashes of its files).

        Args:
            directory: that of `index.build.build`.
            model: the fingerprint of the model that will answer with it, or None to check none.

        Raises:
            ArtifactError: a file is missing, cut short or of another make, or another model made the gallery; one
                sentence names it and the remedy.
        """
        manifest = read_manifest(directory)
        _check_model(directory, manifest, model)
        _check_sizes(directory, manifest)
        shelves = {modality: _open_shelf(directory, manifest, modality) for modality in Modality}
        items = ItemStore(directory / ITEMS)
        for modality, count in manifest.counts.items():
            if items.count(modality) != count:
                raise ArtifactError(
                    f"{directory / ITEMS} holds {items.count(modality)} items of modality {modality.value}, and "
                    f"the manifest says {count}: {REMEDY}"
                )
        return cls(directory, manifest, items, shelves)

    @property
    def fingerprint(self) -> str:
        """What identifies its content (SHA-256, hex)."""
        return self.manifest.fingerprint

    def count(self, modality: Modality) -> int:
        """The number of items of a modality."""
        return self.manifest.counts[modality]

    def nearest(self, modality: Modality, mean: torch.Tensor, n: int) -> Rows:
        """The shortlist of a query: up to n rows of a modality, in the order of the shortlist.

        Args:
            modality: that answers.
            mean: [dim] of the query.
            n: how many.
        """
        shelf, record = self._shelves[modality], self.manifest.shortlists[modality]
        return shelf.shortlist.search(shelf.points.query(mean.numpy()), n, record.effort).rows

    def gaussians(self, modality: Modality, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [n, dim] of rows, in their order; float32, on the CPU, a copy.

        Raises:
            IndexError: there is no such row.
        """
        return self._shelves[modality].gaussians.take(rows)

    def stored(self, modality: Modality) -> StoredGaussians:
        """The Gaussians of a modality where they lie, for what goes through all of them."""
        return self._shelves[modality].gaussians

    def items(self, modality: Modality, rows: Sequence[int] | Rows) -> tuple[Item, ...]:
        """The items of rows, in their order; raises `IndexError` when there is no such row."""
        return self._items.items(modality, [int(row) for row in rows])

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        return self._items.find(identifier)

    def picture(self, identifier: str) -> bytes | None:
        """The JPEG of an image, its longer side at most 256 pixels, or None when there is no image of this id."""
        return self._items.picture(identifier)

    def percentiles(self, modality: Modality, sigmas: Floats) -> tuple[float | None, ...]:
        """For each σ [n] the share of the gallery's items of a modality with a smaller one, in percent; None when it
        has none.
        """
        ordered = self._shelves[modality].ordered_sigmas
        if not len(ordered):
            return (None,) * len(sigmas)
        # In the type of the array: for a float64 numpy would convert all of it, each time.
        smaller = np.searchsorted(ordered, sigmas.astype(ordered.dtype))
        return tuple((100 * smaller / len(ordered)).tolist())

    def uncertainties(self, modality: Modality, gaussians: Gaussian) -> tuple[Uncertainty, ...]:
        """The uncertainty of each of the Gaussians [n, dim], of the gallery or not, beside its items of a modality."""
        sigmas = gaussians.sigma
        measures = (each.tolist() for each in (sigmas, gaussians.log_det, gaussians.total_variance))
        return tuple(map(Uncertainty, *measures, self.percentiles(modality, sigmas.numpy())))

    def by_uncertainty(self, modality: Modality, *, descending: bool = True, limit: int = 10, offset: int = 0) -> Rows:
        """Rows int64 in the order of σ, `limit` of them from place `offset` on."""
        order = self._shelves[modality].by_sigma
        return (order[::-1] if descending else order)[offset : offset + limit]

    def close(self) -> None:
        """Close the files; arrays still in use stay mapped."""
        self._items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


@dataclass(frozen=True, eq=False)
class _Shelf:
    """One modality: its Gaussians [n], rows in the order of σ [n], σ in that order [n]."""

    gaussians: StoredGaussians
    by_sigma: Rows
    ordered_sigmas: Floats
    points: Points
    shortlist: Shortlist


def _check_model(directory: Path, manifest: Manifest, model: str | None) -> None:
    if model is not None and model != manifest.model_fingerprint:
        raise ArtifactError(
            f"{directory} was made by the model {manifest.model_fingerprint}, not by {model}: serve it with its own "
            "model, or build it again with this one"
        )


def _check_sizes(directory: Path, manifest: Manifest) -> None:
    for name, record in manifest.files.items():
        path = directory / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: {REMEDY}")
        if path.stat().st_size != record.bytes:
            raise ArtifactError(f"{path} has {path.stat().st_size:,} bytes instead of {record.bytes:,}: {REMEDY}")


def _open_shelf(directory: Path, manifest: Manifest, modality: Modality) -> _Shelf:
    count, dim = manifest.counts[modality], manifest.dim
    sigmas = map_array(directory / layout.sigmas_file(modality), (count,), np.dtype("<f4"))
    order = np.argsort(sigmas, kind="stable").astype(np.int64)
    gaussians = open_gaussians(directory, modality, (count, dim), manifest.storage[modality].storage)
    points = _open_points(directory, manifest, modality, gaussians.means)
    return _Shelf(
        gaussians,
        order,
        sigmas[order],
        points,
        _open_shortlist(directory / layout.shortlist_file(modality), manifest.shortlists[modality].kind, points),
    )


def _open_points(directory: Path, manifest: Manifest, modality: Modality, means: npt.NDArray[Any]) -> Points:
    """The points of a modality's shortlist."""
    if manifest.shortlists[modality].over is Space.MEAN:
        return Points(means)
    return Points(means, map_array(directory / layout.heights_file(modality), means.shape[:1], np.dtype("<f4")))


def _open_shortlist(path: Path, kind: str, points: Points) -> Shortlist:
    if kind not in KINDS:
        raise ArtifactError(f"{path} is of kind {kind!r}, which this version of Penumbra lacks: {REMEDY}")
    return KINDS[kind].load(path, points)
