"""Whether a model's variances are alive: a probabilistic model whose variances collapsed answers with points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from models.gaussian import Gaussian

# A trace below this share of the typical squared distance changes no match probability that anybody could notice.
COLLAPSED_SHARE = 0.01
# A σ that varies less than this between items (standard deviation of its logarithm) tells no item from another.
CONSTANT_SPREAD = 0.01
# A dimension whose log-variance has a smaller standard deviation differs by about 5 % from item to item.
STEADY_BELOW = 0.05
# A σ of e^-15 is lost in the rounding of a float32 coordinate: models of points say "none" by such a log-variance.
NEGLIGIBLE_LOG_VARIANCE = -30.0
# Logarithms of equal σ differ by less than this, however their sums were rounded.
SIGMA_ROUNDING = 1e-5
NO_VARIANCES = "This model has no variances: it answers with points."


@dataclass(frozen=True)
class VarianceState:
    """The state of the variances of a set of Gaussians.

    Args:
        mean_trace: mean of tr Σ.
        trace_deviation: its standard deviation over the items.
        squared_distance: mean ‖Δ‖² between items drawn at random.
        log_sigma_deviation: standard deviation of log σ (geometric mean) over the items.
        verdict: one plain sentence.
        steady_dimensions: how many dimensions have nearly the same variance in all items: their log-variance has a
            standard deviation below 0.05.
        collapsed_dimensions: how many have a mean variance below a hundredth of the mean squared distance along them;
            None in what an earlier version wrote.
    """

    mean_trace: float
    trace_deviation: float
    squared_distance: float
    log_sigma_deviation: float
    verdict: str
    steady_dimensions: int
    collapsed_dimensions: int | None = None

    @property
    def collapsed(self) -> bool:
        """Whether the traces are too small beside the distances to matter."""
        return self.mean_trace < COLLAPSED_SHARE * self.squared_distance

    def to_dict(self) -> dict[str, float | str | bool | None]:
        """As JSON."""
        return {**asdict(self), "collapsed": self.collapsed}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VarianceState:
        """From the fields as JSON.

        Raises:
            TypeError: a field is missing or unknown.
        """
        return cls(**values)


def are_points(items: Gaussian) -> bool:
    """Whether no variance of Gaussian [n, dim] is more than the rounding of a coordinate."""
    return bool((items.log_variance <= NEGLIGIBLE_LOG_VARIANCE).all())


def sigma_differs(items: Gaussian) -> bool:
    """Whether σ can tell any item of Gaussian [n, dim] from another: they are no points, and σ is not one constant."""
    if len(items) < 2 or are_points(items):
        return False
    logs = items.sigma.double().log()
    return float(logs.max() - logs.min()) > SIGMA_ROUNDING


def variance_state(items: Gaussian) -> VarianceState:
    """Measure the variances of Gaussian [n, dim], n ≥ 2.

    The random pairs are neighbours in an order from a fixed seed: the same answer every time, and no rhythm in the
    items (captions that go from exact to vague, image after image) can get into it.
    """
    trace = items.total_variance.double()
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0))
    along = (items.mean[order] - items.mean[order.roll(1)]).square().mean(0, dtype=torch.float64)
    steady = int((items.log_variance.std(0) < STEADY_BELOW).sum())
    collapsed = int((items.variance.mean(0, dtype=torch.float64) < COLLAPSED_SHARE * along).sum())
    mean, distance = float(trace.mean()), float(along.sum())
    spread = float(items.sigma.double().log().std())
    verdict = NO_VARIANCES if are_points(items) else _verdict(mean, distance, spread, collapsed, items.dim)
    return VarianceState(mean, float(trace.std()), distance, spread, verdict, steady, collapsed)


def _verdict(trace: float, distance: float, spread: float, collapsed: int, dim: int) -> str:
    figures = f"mean tr Σ {trace:.3g} beside a mean squared distance of {distance:.3g}, log σ ± {spread:.2g}"
    if trace < COLLAPSED_SHARE * distance:
        return f"The variances have collapsed ({figures}): these are points in disguise."
    if collapsed:
        figures = f"{figures}; collapsed in {collapsed} of {dim} dimensions"
    if spread < CONSTANT_SPREAD:
        return f"The variances are alive but all alike ({figures}): σ tells no item from another."
    return f"The variances are alive ({figures})."
