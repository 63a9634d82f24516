"""Calibrated match heads: one for each direction of search, fitted on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.match import MatchHead


class Direction(StrEnum):
    """Which modality asks, and which answers."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_TEXT = "image-to-text"


@dataclass(frozen=True)
class Calibration:
    """A match head for each direction, and the figures of its fit (log-loss before and after, numbers of pairs)."""

    heads: Mapping[Direction, MatchHead]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "heads": {str(key): asdict(head) for key, head in self.heads.items()},
            "figures": dict(self.figures),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_dict` gives.
        """
        heads = {Direction(key): MatchHead(**head) for key, head in values["heads"].items()}
        return cls({direction: heads[direction] for direction in Direction}, values["figures"])
