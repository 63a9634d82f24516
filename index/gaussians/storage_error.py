"""What a storage changes of the match probabilities, measured against float32 on the gallery itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from index.gaussians.exhaustive import nearest
from index.gaussians.points import Points
from index.gaussians.storage import Coding, Storage, StoredGaussians, stored
from index.ranking import spread
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form

LIMIT: Final = 1e-3
"""A storage that changes a match probability by more is refused."""
QUERIES: Final = 64
NEAREST: Final = 100


@dataclass(frozen=True)
class StorageError:
    """Differences between match probabilities of stored Gaussians and of the same in float32, in closed form.

    Args:
        worst: the greatest.
        mean: over all pairs.
        pairs: how many: sampled queries, each with its nearest items, in both directions.
    """

    worst: float
    mean: float
    pairs: int

    @property
    def holds(self) -> bool:
        """Whether it is within the limit; what is not a number is not."""
        return self.worst <= LIMIT


@dataclass(frozen=True)
class StorageFinding:
    """How the Gaussians of a modality are stored.

    Args:
        storage: how.
        error: what that changes; None where it was not measured.
        refused: smaller ones that change more than they may, with the greatest change.
    """

    storage: Storage
    error: StorageError | None = None
    refused: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One sentence."""
        how = f"Gaussians are stored as {self.storage} ({self.storage.bytes} bytes a dimension)"
        refused = "".join(
            f" As {name} probabilities would change by up to {worst:.1e}." for name, worst in self.refused.items()
        )
        if self.storage is Storage.FLOAT32:
            return f"{how}, as the model gave them.{refused}"
        if self.error is None:
            return f"{how}; what that changes was not measured."
        changes = f"at most {self.error.worst:.1e}, {self.error.mean:.1e} on average over {self.error.pairs:,} pairs"
        return f"{how}; match probabilities change by {changes}.{refused}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StorageFinding:
        """From JSON."""
        error = values["error"]
        return cls(Storage(values["storage"]), None if error is None else StorageError(**error), values["refused"])


def storage_error(
    items: StoredGaussians,
    others: StoredGaussians,
    coding: tuple[Storage, Coding | None],
    answering: MatchHead,
    asking: MatchHead,
) -> StorageError | None:
    """Store a sample of a modality's Gaussians, and compare the match probabilities that they have part in.

    A pair is a query and an item near to it: far from each other nothing matches, however it is stored.

    Args:
        items: of the modality, in float32.
        others: of the other modality, in float32; where it has none the items themselves take its place.
        coding: what is tried.
        answering: the head under which these items answer queries of the other modality.
        asking: that under which these items are queries, with their stored Gaussians.

    Returns:
        the differences; None where there is no item.
    """
    if not len(items):
        return None
    others = others if len(others) else items
    found: list[Tensor] = []
    for query, near in _sample(others, items):
        changed = _again(near, coding)
        found.append(_difference(answering, (query, near), (query, changed)))
    for query, near in _sample(items, others):
        changed = _again(query, coding)
        found.append(_difference(asking, (query, near), (changed, near)))
    # What has become no number is as wrong as a probability can be.
    every = torch.cat(found).double().nan_to_num(1.0)
    return StorageError(float(every.max()), float(every.mean()), len(every))


def _again(gaussians: Gaussian, coding: tuple[Storage, Coding | None]) -> Gaussian:
    """Stored, and read again."""
    return stored(gaussians, *coding).take(slice(None))


def _difference(head: MatchHead, exact: tuple[Gaussian, Gaussian], changed: tuple[Gaussian, Gaussian]) -> Tensor:
    """[k]: of the probabilities of one query and k items."""
    return (closed_form(*exact, head) - closed_form(*changed, head)).abs()[0]


def _sample(asks: StoredGaussians, answers: StoredGaussians) -> Iterator[tuple[Gaussian, Gaussian]]:
    """Queries [1, dim] evenly spread over the rows, each with the items whose means are nearest."""
    queries = asks.take(spread(len(asks), QUERIES))
    for place, near in enumerate(nearest(queries.mean, Points(answers.means), NEAREST)):
        yield queries[place][None], answers.take(near)
