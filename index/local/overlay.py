"""One modality of a gallery with its changes: what was built, less what was removed, and what was added.

An overlay never changes: a change gives another one that shares what stayed. The rows of the shelf keep their numbers,
those added are numbered after them in the order in which they came, and a removed row stays empty. So the rows of what
is there have the order that they would have in a gallery built of it, and so do ties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from index.allowed import Allowed, Mask
from index.gaussians.points import Points
from index.gaussians.storage import Gaussians, StoredGaussians
from index.kept import kept
from index.local.shelf import Shelf
from index.ranking import Floats, Ranking, Rows
from index.shortlists.kinds import FlatShortlist
from models.gaussian import Gaussian

_Parts = tuple[Allowed | None, Allowed | None]


@dataclass(frozen=True, eq=False)
class Overlay:
    """The rows of one modality.

    Args:
        shelf: what was built, of n items.
        added: what came, of m items.
        live: bool [n + m], whether a row is still there; None where all are.
    """

    shelf: Shelf
    added: StoredGaussians
    live: Mask | None = None

    @classmethod
    def over(cls, shelf: Shelf) -> Overlay:
        """A shelf as it was built."""
        nothing = np.empty((0, shelf.gaussians.dim), np.float32)
        return cls(shelf, StoredGaussians(nothing, nothing))

    def changed(self, removed: Sequence[int], added: Sequence[Gaussian]) -> Overlay:
        """The same with more Gaussians [dim] after the last row, and then without some rows."""
        if not (removed or added):
            return self
        means = [self.added.means, *(each.mean.numpy()[None] for each in added)]
        log_variances = [self.added.log_variances, *(each.log_variance.numpy()[None] for each in added)]
        grown = StoredGaussians(np.concatenate(means), np.concatenate(log_variances)) if added else self.added
        live = self.live
        if removed or live is not None:
            live = np.append(np.ones(self.rows, np.bool_) if live is None else live, np.ones(len(added), np.bool_))
            live[list(removed)] = False
        return replace(self, added=grown, live=live)

    @property
    def rows(self) -> int:
        """How many rows there are, empty ones too: n + m."""
        return len(self.shelf) + len(self.added)

    @cached_property
    def count(self) -> int:
        """How many items there are."""
        return self.rows if self.live is None else int(np.count_nonzero(self.live))

    @cached_property
    def allowed(self) -> Allowed | None:
        """The rows that are not empty; None where all are not."""
        return None if self.live is None else Allowed(self.live)

    @property
    def gaussians(self) -> Gaussians:
        """Those of all rows; an empty one still has that of what was removed."""
        return Stacked(self.shelf.gaussians, self.added) if len(self.added) else self.shelf.gaussians

    def nearest(self, mean: Floats, n: int, allowed: Allowed | None = None) -> Ranking:
        """The n rows nearest to a query, or as many as may answer, as a shortlist built of what is there has them.

        Args:
            mean: [dim] of the query.
            n: how many.
            allowed: which rows may answer, of all n + m; None for all that are not empty.
        """
        shelf = self.shelf
        built, came = self._parts(allowed)
        found = shelf.shortlist.search(shelf.points.query(mean), n, shelf.record.effort, built)
        if not len(self.added):
            return found
        points, index, sunk = self._added_shortlist
        more = index.search(points.query(mean), n, allowed=came)
        rows = np.append(found.rows, more.rows + len(shelf))
        values = np.append(found.values, more.values - sunk)
        order = np.lexsort((rows, values))[:n]
        return Ranking(rows[order], values[order])

    def smaller(self, sigmas: Floats) -> Rows:
        """For each σ [k], how many items have a smaller one."""
        ordered = self.shelf.ordered_sigmas
        # In the type of the array: for a float64 numpy would convert all of it, each time.
        sought = sigmas.astype(ordered.dtype)
        gone, came = (each.searchsorted(sought) for each in self._sigmas_changed)
        found: Rows = ordered.searchsorted(sought) - gone + came
        return found

    @cached_property
    def by_sigma(self) -> Ranking:
        """The rows that are not empty with their σ, the smallest first, equal ones by row."""
        shelf = self.shelf
        if self.live is None and not len(self.added):
            return Ranking(shelf.by_sigma, shelf.ordered_sigmas)
        kept = self._built_live[shelf.by_sigma]
        rows, sigmas = shelf.by_sigma[kept], shelf.ordered_sigmas[kept]
        came = np.flatnonzero(self._came_live)
        came = came[np.argsort(self._added_sigmas[came], kind="stable")]
        between = np.searchsorted(sigmas, self._added_sigmas[came], "right")
        inserted = np.insert(sigmas, between, self._added_sigmas[came])
        return Ranking(np.insert(rows, between, came + len(shelf)), inserted)

    @cached_property
    def _parts(self) -> Callable[[Allowed | None], _Parts]:
        """Splits rows that may answer into those built and those added, without empty ones; the last few are kept."""
        return kept(self._split, 8)

    def _split(self, allowed: Allowed | None) -> _Parts:
        both = self.allowed if allowed is None or self.allowed is None else allowed & self.allowed
        both = allowed if both is None else both
        if both is None:
            return None, None
        if not len(self.added):
            return both, None
        return Allowed(both.mask[: len(self.shelf)]), Allowed(both.mask[len(self.shelf) :])

    @cached_property
    def _added_shortlist(self) -> tuple[Points, FlatShortlist, float]:
        """The points of what was added, their index, and by how much their distances are greater than the shelf's.

        That is more than nothing where something has less of a penalty than all that the shelf was lifted with.
        """
        means, lift, sunk = self.added.means, self.shelf.record.lift, 0.0
        points = Points(means)
        if lift is not None:
            penalties = lift.penalties(self.added.take(slice(None)))
            floor = min(lift.least, float(penalties.min()))
            points, sunk = Points(means, (penalties - floor).sqrt().numpy()), lift.least - floor
        return points, FlatShortlist.build(points), sunk

    @cached_property
    def _added_sigmas(self) -> Floats:
        return np.asarray(self.added.take(slice(None)).sigma.numpy())

    @cached_property
    def _sigmas_changed(self) -> tuple[Floats, Floats]:
        """σ, in order, of what was removed of the shelf, and of what was added and is there."""
        gone = self.shelf.sigmas[~self._built_live] if self.live is not None else self.shelf.sigmas[:0]
        return np.sort(gone), np.sort(self._added_sigmas[self._came_live])

    @property
    def _built_live(self) -> Mask:
        return np.ones(len(self.shelf), np.bool_) if self.live is None else self.live[: len(self.shelf)]

    @property
    def _came_live(self) -> Mask:
        return np.ones(len(self.added), np.bool_) if self.live is None else self.live[len(self.shelf) :]


@dataclass(frozen=True, eq=False)
class Stacked:
    """Gaussians that lie in two places, the rows of the second after those of the first."""

    first: StoredGaussians
    second: StoredGaussians

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    @property
    def dim(self) -> int:
        """The number of dimensions."""
        return self.first.dim

    def take(self, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [k, dim] of rows, in their order; raises `IndexError` when there is no such row."""
        wanted = np.asarray(rows, np.int64)
        later = wanted >= len(self.first)
        mean, log_variance = torch.empty(2, len(wanted), self.dim)
        for part, chosen, start in ((self.first, ~later, 0), (self.second, later, len(self.first))):
            found = part.take(wanted[chosen] - start)
            mean[chosen], log_variance[chosen] = found.mean, found.log_variance
        return Gaussian(mean, log_variance)

    def blocks(self) -> Iterator[tuple[int, Gaussian]]:
        """All of them, some at a time, each block with the row that it starts at."""
        yield from self.first.blocks()
        yield from ((len(self.first) + start, block) for start, block in self.second.blocks())
