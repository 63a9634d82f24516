"""Calibrated match heads: one for each direction of search, fitted on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.match import MatchHead, TraceTerm


class Direction(StrEnum):
    """Which modality asks, and which answers."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_TEXT = "image-to-text"


@dataclass(frozen=True)
class Calibration:
    """What was fitted on held-out pairs.

    Args:
        heads: for each direction, what the service shows and ranks by.
        mean_only_heads: the same fit blind to the variances, to hold the other against.
        figures: of the fit: which pairs, how many, log-loss before and after.
    """

    heads: Mapping[Direction, MatchHead]
    mean_only_heads: Mapping[Direction, MatchHead]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        sets = {"heads": self.heads, "mean_only_heads": self.mean_only_heads}
        plain = {name: {str(key): asdict(head) for key, head in heads.items()} for name, heads in sets.items()}
        return {**plain, "figures": dict(self.figures)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_dict` gives.
        """
        sets = (values[name] for name in ("heads", "mean_only_heads"))
        heads, mean_only = ({key: _head(heads[key]) for key in Direction} for heads in sets)
        return cls(heads, mean_only, values["figures"])


def _head(values: Mapping[str, Any]) -> MatchHead:
    terms = {side: TraceTerm(**values[side]) for side in ("query", "item")}
    return MatchHead(values["scale"], values["shift"], **terms)
