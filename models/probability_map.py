"""Monotone maps from a match probability to a calibrated one: Platt's and isotonic ones."""

from __future__ import annotations

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
