"""Does σ mean ambiguity? Its rank correlation with how many items truly match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from evaluation.positives import Floats, Ints


@dataclass(frozen=True)
class AmbiguityCorrelation:
    """Spearman's ρ between σ and the logarithm of the true number of matches, over the items that match at all."""

    spearman: float
    items: int


def ambiguity_correlation(sigma: Floats, counts: Ints) -> AmbiguityCorrelation:
    """Correlate.

    Args:
        sigma: [n], the geometric mean of each item's standard deviations.
        counts: [n], how many items of the other modality truly match.

    Returns:
        not a number where σ or the number of matches does not vary.
    """
    kept = counts > 0
    if min(np.ptp(sigma[kept], axis=0), np.ptp(counts[kept], axis=0)) == 0:
        return AmbiguityCorrelation(float("nan"), int(kept.sum()))
    found = spearmanr(sigma[kept], np.log(counts[kept]))
    return AmbiguityCorrelation(float(found.statistic), int(kept.sum()))
