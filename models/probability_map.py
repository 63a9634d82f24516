"""Monotone maps from a match probability to a calibrated one: Platt's and isotonic ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor

# Nearer to 0 or 1 than this, float32 no longer tells probabilities apart reliably.
EPSILON: Final = 1e-6


@dataclass(frozen=True)
class PlattMap:
    """logistic(scale · logit p + shift), with a positive scale (Platt, 1999)."""

    scale: float
    shift: float

    def __call__(self, probability: Tensor) -> Tensor:
        """The calibrated probability, elementwise."""
        return torch.sigmoid(self.scale * torch.logit(probability, EPSILON) + self.shift)

    def slope(self, probability: Tensor) -> Tensor:
        """Its derivative, elementwise: what a small error of the probability is multiplied by."""
        held, value = probability.clamp(EPSILON, 1 - EPSILON), self(probability)
        return self.scale * value * (1 - value) / (held * (1 - held))


@dataclass(frozen=True)
class IsotonicMap:
    """Straight lines between the knots of an isotonic regression (Zadrozny and Elkan, 2002), level outside of them.

    Args:
        knots: probabilities, rising, no two the same.
        values: what they are calibrated to: not falling, and strictly between 0 and 1.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, probability: Tensor) -> Tensor:
        """The calibrated probability, elementwise."""
        knots, values = (probability.new_tensor(each) for each in (self.knots, self.values))
        held = probability.clamp(float(knots[0]), float(knots[-1]))
        right = self._right(held, knots)
        part = (held - knots[right - 1]) / (knots[right] - knots[right - 1])
        return values[right - 1] + part * (values[right] - values[right - 1])

    def slope(self, probability: Tensor) -> Tensor:
        """Its derivative, elementwise; zero outside of the knots."""
        knots, values = (probability.new_tensor(each) for each in (self.knots, self.values))
        right = self._right(probability, knots)
        rise = (values[right] - values[right - 1]) / (knots[right] - knots[right - 1])
        inside = (probability >= knots[0]) & (probability <= knots[-1])
        return torch.where(inside, rise, 0.0)

    def _right(self, probability: Tensor, knots: Tensor) -> Tensor:
        """The knot that ends the line a probability is on."""
        return torch.searchsorted(knots, probability.contiguous()).clamp(1, len(knots) - 1)


ProbabilityMap = PlattMap | IsotonicMap
KINDS: Final[Mapping[str, type[PlattMap] | type[IsotonicMap]]] = {"platt": PlattMap, "isotonic": IsotonicMap}


def for_share(found: ProbabilityMap | None, fitted: float, there: float) -> ProbabilityMap:
    """The map where another share of the pairs matches than where it was fitted (Saerens et al., 2002, eq. 4).

    Matches are rarer or more frequent there, but look the same: the odds change by the ratio of the odds of a match. A
    sampled or closed-form probability without a map is one whose map changes nothing.

    Args:
        found: the map as fitted; an isotonic one is changed at its knots.
        fitted: share of the pairs it was fitted on that match, in (0, 1).
        there: share where it is to be used, in (0, 1).
    """
    shift = math.log(there / (1 - there)) - math.log(fitted / (1 - fitted))
    if found is None:
        return PlattMap(1.0, shift)
    if isinstance(found, PlattMap):
        return PlattMap(found.scale, found.shift + shift)
    values = torch.sigmoid(torch.logit(torch.tensor(found.values, dtype=torch.float64)) + shift)
    return IsotonicMap(found.knots, tuple(values.tolist()))


def map_to_dict(found: ProbabilityMap) -> dict[str, Any]:
    """As JSON."""
    (kind,) = (name for name, each in KINDS.items() if isinstance(found, each))
    return {"kind": kind, **asdict(found)}


def map_from_dict(values: Mapping[str, Any]) -> ProbabilityMap:
    """From JSON.

    Raises:
        KeyError, TypeError: it is not what `map_to_dict` gives.
    """
    if values["kind"] == "platt":
        return PlattMap(values["scale"], values["shift"])
    if values["kind"] == "isotonic":
        return IsotonicMap(tuple(values["knots"]), tuple(values["values"]))
    raise KeyError(values["kind"])
