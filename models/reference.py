"""What queries looked like when a model was calibrated, so that a service can tell when those of today differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor

from models.calibration import Calibration, Direction

FIGURE: Final = "seen"
"""Its name among a direction's figures in `calibration.json`."""
_NINE: Final = 9


@dataclass(frozen=True)
class Reference:
    """The deciles of two things that every search knows.

    Args:
        sigma: of the queries' σ, 9 numbers, rising.
        top_probability: of the greatest match probability that each query's shortlist held, likewise.

    Raises:
        ValueError: there are not 9 of each, or they fall.
    """

    sigma: tuple[float, ...]
    top_probability: tuple[float, ...]

    def __post_init__(self) -> None:
        for deciles in (self.sigma, self.top_probability):
            if len(deciles) != _NINE or list(deciles) != sorted(deciles):
                raise ValueError(f"{list(deciles)} are no deciles: nine numbers that rise are needed")

    @classmethod
    def of(cls, sigmas: Tensor, top_probabilities: Tensor) -> Self:
        """From what was seen of the queries [q] of a calibration."""
        return cls(_deciles(sigmas), _deciles(top_probabilities))

    @classmethod
    def read(cls, calibration: Calibration, direction: Direction) -> Self | None:
        """What a calibration says; None where it was made before this was noted, or turned to another share since.

        Another share of matches makes other probabilities of the same queries (`Calibration.for_share`).
        """
        figures = calibration.figures.get(str(direction), {})
        if FIGURE not in figures or "share" in calibration.figures:
            return None
        values: Mapping[str, Sequence[float]] = figures[FIGURE]
        return cls(tuple(values["sigma"]), tuple(values["top_probability"]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: list(values) for name, values in asdict(self).items()}


def _deciles(values: Tensor) -> tuple[float, ...]:
    shares = torch.arange(1, _NINE + 1, dtype=torch.float64) / (_NINE + 1)
    return tuple(torch.quantile(values.double(), shares).tolist())
