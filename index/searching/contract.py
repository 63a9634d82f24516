"""What every gallery has to be, wherever it lies: searches and the service know no more of one than this.

`index.local` has the embedded one, a folder on this machine; `index.milvus` has one that lies in a Milvus server, and
of which this machine has only a small folder. `index.lifecycle.opening` opens either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import torch

from index.changes.catalogue import Pending
from index.changes.change import Addition
from index.files.manifest import Manifest
from index.filters.conditions import Filter
from index.gaussians.storage import Gaussians
from index.items import Item, Modality
from index.ranking import Floats, Ranking, Rows
from index.searching.uncertainty import Uncertainty
from models.gaussian import Gaussian
from models.match import MatchHead


class GalleryState(Protocol):
    """A gallery at one moment. A row is a handle of this state alone: another one may number the same item otherwise.

    Every method may raise `UnavailableError`, where what the gallery lies in does not answer.
    """

    @property
    def directory(self) -> Path:
        """Its folder on this machine."""
        ...

    @property
    def fingerprint(self) -> str:
        """What identifies its content (SHA-256, hex)."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What it said of itself when it was built."""
        ...

    @property
    def pending(self) -> Pending:
        """What changed since it was built, and waits to be built in."""
        ...

    @property
    def dim(self) -> int:
        """Dimensions of its Gaussians."""
        ...

    def count(self, modality: Modality) -> int:
        """The number of items of a modality."""
        ...

    def present(self, modality: Modality) -> Any:
        """What lets all items of a modality answer; only `nearest` and `index.gaussians.exhaustive` look into it."""
        ...

    def allowed(self, modality: Modality, wanted: Filter, /) -> Any:
        """What lets those items of a modality answer that a filter lets through."""
        ...

    def nearest(self, modality: Modality, mean: torch.Tensor, n: int, allowed: Any) -> Rows:
        """The shortlist of a query: up to n rows of a modality; there are fewer only where fewer may answer.

        Args:
            modality: that answers.
            mean: [dim] of the query.
            n: how many.
            allowed: which may, from `present` or `allowed`.
        """
        ...

    def gaussians(self, modality: Modality, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [n, dim] of rows, in their order; float32, on the CPU; raises `IndexError` for no row."""
        ...

    def stored(self, modality: Modality) -> Gaussians:
        """The Gaussians of all rows; raises `UnsupportedError` where they are too far away to be read."""
        ...

    def items(self, modality: Modality, rows: Sequence[int] | Rows) -> tuple[Item, ...]:
        """The items of rows, in their order; raises `IndexError` when there is no such row."""
        ...

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        ...

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions, in the order of their rows."""
        ...

    def picture(self, identifier: str) -> bytes | None:
        """The JPEG of an image, or None when there is no image of this id."""
        ...

    def percentiles(self, modality: Modality, sigmas: Floats) -> tuple[float | None, ...]:
        """For each σ [n] the share of a modality's items with a smaller one, in percent; None when it has none."""
        ...

    def uncertainties(self, modality: Modality, gaussians: Gaussian) -> tuple[Uncertainty, ...]:
        """The uncertainty of each of the Gaussians [n, dim], of the gallery or not, beside its items of a modality."""
        ...

    def picture_version(self, identifier: str) -> str | None:
        """What changes whenever the picture of an image does (hex); None where that would have to be asked for."""
        ...

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
        ...


class Searched(Protocol):
    """What searches find things in: it may change between two of them, and each sees one state of it."""

    @property
    def gallery(self) -> GalleryState:
        """Its state at this moment."""
        ...


class OpenGallery(Searched, Protocol):
    """A gallery that is open for searches."""

    @property
    def directory(self) -> Path:
        """Its folder on this machine."""
        ...

    def check(self) -> None:
        """Raise `UnavailableError` where what it lies in does not answer now."""
        ...

    def close(self) -> None:
        """Give back what it holds open."""
        ...


class ChangingGallery(Searched, Protocol):
    """A gallery that may be changed, from any thread: see `index.lifecycle.living`.

    A change raises `ChangeError` where it cannot be made, and `ArtifactError` or `UnavailableError` where it could not
    be stored.
    """

    @property
    def pending(self) -> Pending:
        """What waits to be built in."""
        ...

    @property
    def generation(self) -> int:
        """How often it was compacted."""
        ...

    @property
    def in_place(self) -> bool:
        """Whether its folder is still its own."""
        ...

    def add(self, additions: Sequence[Addition]) -> None:
        """Add items, all or none."""
        ...

    def replace(self, additions: Sequence[Addition]) -> None:
        """Put items in the place of those with the same ids."""
        ...

    def remove(self, identifiers: Sequence[str]) -> None:
        """Remove items; an image takes its captions with it."""
        ...

    def compact(self, heads: Mapping[Modality, MatchHead], tell: Callable[[str], None] = lambda _: None) -> None:
        """Build it anew with its changes; raises `UnsupportedError` where its store does so by itself."""
        ...

    def close(self) -> None:
        """Let others change it."""
        ...

    def __enter__(self) -> Self:
        """Itself, until the block ends."""
        ...

    def __exit__(self, *raised: object) -> None:
        """Close it."""
        ...
