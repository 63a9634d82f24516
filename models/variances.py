"""Whether a model's variances are alive: a probabilistic model whose variances collapsed answers with points."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from models.distances import squared_l2
from models.gaussian import Gaussian

# A trace below this share of the typical squared distance changes no match probability that anybody could notice.
COLLAPSED_SHARE = 0.01
# A σ that varies less than this between items (standard deviation of its logarithm) tells no item from another.
CONSTANT_SPREAD = 0.01


@dataclass(frozen=True)
class VarianceState:
    """The state of the variances of a set of Gaussians.

    Args:
        mean_trace: mean of tr Σ.
        trace_deviation: its standard deviation over the items.
        squared_distance: mean ‖Δ‖² between items drawn at random.
        log_sigma_deviation: standard deviation of log σ (geometric mean) over the items.
        verdict: one plain sentence.
    """

    mean_trace: float
    trace_deviation: float
    squared_distance: float
    log_sigma_deviation: float
    verdict: str

    @property
    def collapsed(self) -> bool:
        """Whether the traces are too small beside the distances to matter."""
        return self.mean_trace < COLLAPSED_SHARE * self.squared_distance

    def to_dict(self) -> dict[str, float | str | bool]:
        """As JSON."""
        return {**asdict(self), "collapsed": self.collapsed}


def variance_state(items: Gaussian) -> VarianceState:
    """Measure the variances of Gaussian [n, dim], n ≥ 2.

    The random pairs are neighbours in an order from a fixed seed: the same answer every time, and no rhythm in the
    items (captions that go from exact to vague, image after image) can get into it.
    """
    trace = items.total_variance.double()
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0))
    distance = float(squared_l2(items[order], items[order.roll(1)]).double().mean())
    spread = float(items.sigma.double().log().std())
    mean, deviation = float(trace.mean()), float(trace.std())
    return VarianceState(mean, deviation, distance, spread, _verdict(mean, distance, spread))


def _verdict(trace: float, distance: float, spread: float) -> str:
    figures = f"mean tr Σ {trace:.3g} beside a mean squared distance of {distance:.3g}, log σ ± {spread:.2g}"
    if trace < COLLAPSED_SHARE * distance:
        return f"The variances have collapsed ({figures}): these are points in disguise."
    if spread < CONSTANT_SPREAD:
        return f"The variances are alive but all alike ({figures}): σ tells no item from another."
    return f"The variances are alive ({figures})."
