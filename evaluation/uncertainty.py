"""Does σ mean ambiguity? Its rank correlation with how many items truly match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from evaluation.positives import Floats, Ints
from models.gaussian import Gaussian
from models.variances import sigma_differs


@dataclass(frozen=True)
class AmbiguityCorrelation:
    """Spearman's ρ between σ and the logarithm of the true number of matches, over the items that match at all."""

    spearman: float
    items: int


def telling_sigma(items: Gaussian) -> Floats | None:
    """σ of Gaussian [n, dim], or None where it tells no item from another: of points, and where it is one constant."""
    return items.sigma.double().numpy() if sigma_differs(items) else None


def ambiguity_correlation(sigma: Floats | None, counts: Ints) -> AmbiguityCorrelation:
    """Correlate.

    Args:
        sigma: [n], the geometric mean of each item's standard deviations; None where it tells nothing apart.
        counts: [n], how many items of the other modality truly match.

    Returns:
        not a number where σ or the number of matches does not vary.
    """
    kept = counts > 0
    if sigma is None or min(np.ptp(sigma[kept]), np.ptp(counts[kept])) == 0:
        return AmbiguityCorrelation(float("nan"), int(kept.sum()))
    found = scipy.stats.spearmanr(sigma[kept], np.log(counts[kept]))
    return AmbiguityCorrelation(float(found.statistic), int(kept.sum()))
