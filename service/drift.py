"""How far the queries of today are from those of the calibration: population stability index over its deciles.

A probability was calibrated on queries of some kind. When others come, σ and the greatest probability of a query tell
first, without labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Final

from numpy import searchsorted

from models.calibration import Calibration, Direction
from models.reference import Reference

WINDOW: Final = 1000
"""How many of the last queries are compared."""
LEAST: Final = 200
"""Fewer are not compared: the index of so many queries of the very same kind is about 9 / 200 = 0.045."""
_BINS: Final = 10


class Window:
    """In which deciles of a reference the last values lie."""

    def __init__(self, deciles: tuple[float, ...], size: int = WINDOW) -> None:
        self._deciles = deciles
        self._bins: deque[int] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Take a value; the oldest goes when there are `size`."""
        self._bins.append(int(searchsorted(self._deciles, value)))

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of the values in each decile, of the lowest first; 0.1 each where nothing has changed."""
        return tuple(self._bins.count(each) / max(len(self._bins), 1) for each in range(_BINS))

    @property
    def index(self) -> float | None:
        """Σ (p − q) ln(p / q) over the deciles, p now and q = 0.1 then; None of fewer than `LEAST` values.

        The symmetric divergence of Jeffreys, known as the population stability index (Siddiqi, Credit Risk Scorecards,
        2006), with his rule of thumb: below 0.1 nothing has changed, above 0.25 much has. Half a value is added to each
        decile, so that an empty one counts as few and not as infinitely fewer.
        """
        count = len(self._bins)
        if count < LEAST:
            return None
        now = [(self._bins.count(each) + 0.5) / (count + _BINS / 2) for each in range(_BINS)]
        return sum((share - 1 / _BINS) * log(share * _BINS) for share in now)


@dataclass(frozen=True)
class Watched:
    """The windows of one direction of search."""

    sigma: Window
    top_probability: Window

    def add(self, sigma: float, top_probability: float | None) -> None:
        """Take a query; `top_probability` is None where nothing was found."""
        self.sigma.add(sigma)
        if top_probability is not None:
            self.top_probability.add(top_probability)

    @property
    def windows(self) -> Mapping[str, Window]:
        """Each by what it is of."""
        return {"sigma": self.sigma, "top_probability": self.top_probability}


def watch(calibration: Calibration | None) -> dict[Direction, Watched]:
    """Empty windows for each direction whose reference the calibration has."""
    references = {} if calibration is None else {each: Reference.read(calibration, each) for each in Direction}
    return {
        direction: Watched(Window(known.sigma), Window(known.top_probability))
        for direction, known in references.items()
        if known is not None
    }
