"""How sure the model is about an item or a query, beside the items of a gallery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from index.ranking import Floats
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


def uncertainties(
    gaussians: Gaussian, percentiles: Callable[[Floats], tuple[float | None, ...]]
) -> tuple[Uncertainty, ...]:
    """Of each of the Gaussians [n, dim].

    Args:
        gaussians: of one modality.
        percentiles: gives those of sigmas [n] among the items of a gallery.
    """
    sigmas = gaussians.sigma
    measures = (each.tolist() for each in (sigmas, gaussians.log_det, gaussians.total_variance))
    return tuple(map(Uncertainty, *measures, percentiles(sigmas.numpy())))
