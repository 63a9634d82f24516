"""Fit what familiar queries look like, on the held-out collection that calibrates the match probability.

One Gaussian over (mean, log-variance) with a shrunk covariance. How far out a held-out query lies is measured from the
others: in folds over classes where classes are known, since the queries to come are of classes that nobody has seen,
and over images otherwise. Captions of an image stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from corpus.manifest import Entry
from evaluation.positives import Ints
from evaluation.protocols import Embedded
from evaluation.relevance import owners
from models.calibration import Direction
from models.errors import ConfigError
from models.familiarity import Familiarity, coordinates
from models.gaussian import Gaussian

FOLDS: Final = 10
MAX_QUERIES: Final = 10_000
# In units of a mean and of a log-variance: what varies less than this is rounding.
LEAST_DEVIATION: Final = 1e-4
# On the diagonal of a covariance in standard units; only queries that are all alike feel it.
RIDGE: Final = 1e-6


def familiarise(embedded: Embedded, seed: int = 0) -> dict[Direction, Familiarity]:
    """Fit for each direction whose queries are there.

    Args:
        embedded: a held-out collection, not trained on.
        seed: chooses folds, and queries where there are too many.

    Raises:
        ConfigError: there are fewer than two images.
    """
    groups, owner = groups_of(embedded.entries), owners(embedded.entries)
    if len(np.unique(groups)) < 2:
        raise ConfigError("what is familiar cannot be told from fewer than two images: calibrate on more")
    sides = {
        Direction.TEXT_TO_IMAGE: (embedded.texts, groups[owner]),
        Direction.IMAGE_TO_TEXT: (embedded.images, groups),
    }
    return {
        direction: fit_familiarity(queries, group, seed)
        for direction, (queries, group) in sides.items()
        if len(np.unique(group)) > 1
    }


def groups_of(entries: Sequence[Entry]) -> Ints:
    """[images]: the number of each entry's class where all have one and there are several; else its own number."""
    labels = [entry.label for entry in entries]
    if None not in labels and len(set(labels)) > 1:
        return np.unique([str(label) for label in labels], return_inverse=True)[1].astype(np.int64)
    return np.arange(len(entries))


def fit_familiarity(queries: Gaussian, groups: Ints, seed: int = 0) -> Familiarity:
    """Centre, whitening and greatest σ of all queries; the distance of each from those of other folds.

    Cross-conformal prediction (Vovk, 2015): the folds are fitted on fewer queries than the whole, so that their
    distances are rather too long than too short, and alarms rather too rare.

    Args:
        queries: Gaussian [n, dim].
        groups: [n], two groups at least; those of a group stay in one fold.
        seed: chooses folds, and queries where there are too many.
    """
    rng = default_rng(seed)
    chosen = np.sort(rng.permutation(len(queries))[:MAX_QUERIES])
    numbers = np.unique(groups[chosen], return_inverse=True)[1]
    fold = torch.from_numpy(rng.permutation(int(numbers.max()) + 1)[numbers] % FOLDS)
    points = coordinates(queries[torch.from_numpy(chosen)]).double()
    distances = torch.empty(len(points), dtype=torch.float64)
    for number in range(min(FOLDS, int(numbers.max()) + 1)):
        inside = fold == number
        centre, whitening = whitening_of(points[~inside])
        distances[inside] = ((points[inside] - centre) @ whitening.mT).norm(dim=-1)
    centre, whitening = whitening_of(points)
    return Familiarity(centre.float(), whitening.float(), distances.sort().values.float(), float(queries.sigma.max()))


def whitening_of(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [p] and lower-triangular whitening [p, p] of points [n, p]: the inverse Cholesky factor of the covariance.

    The covariance is shrunk in standard units, since means and log-variances have none in common.
    """
    centre = points.mean(0)
    deviation = points.std(0, correction=0).clamp_min(LEAST_DEVIATION)
    covariance = shrunk_covariance((points - centre) / deviation)
    covariance.diagonal().add_(RIDGE)
    factor = torch.linalg.cholesky(covariance)
    return centre, torch.linalg.solve_triangular(factor, (1 / deviation).diag(), upper=False)


def shrunk_covariance(centred: Tensor) -> Tensor:
    """Covariance [p, p] of centred points [n, p], drawn towards a multiple of the identity (Ledoit and Wolf, 2004).

    (1 − s)·S + s·tr(S)/p·I, with the s of least expected squared error: it can be inverted for fewer points than
    dimensions, and directions in which nothing varies get a variance that is not zero.
    """
    n, p = centred.shape
    sample = centred.mT @ centred / n
    level = sample.trace() / p
    identity = torch.eye(p, dtype=centred.dtype)
    scatter = (sample - level * identity).square().sum()
    error = (centred.square().sum(1).square().sum() / n - sample.square().sum()) / n
    share = float((error / scatter).clamp(0, 1)) if scatter > 0 else 0.0
    return (1 - share) * sample + share * level * identity
