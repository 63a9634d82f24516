"""Calibrated match heads: one for each direction of search, fitted on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from models.match import MatchHead, term_from_dict
from models.probability_map import for_share, map_from_dict, map_to_dict


class Direction(StrEnum):
    """Which modality asks, and which answers."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_TEXT = "image-to-text"


@dataclass(frozen=True)
class Calibration:
    """What was fitted on held-out pairs.

    Args:
        heads: for each direction, what the service shows and ranks by: the candidate of least held-out log-loss.
        mean_only_heads: the best of those blind to the variances, to hold the other against.
        figures: of the fit: which pairs, how many, which candidate won, log-loss before and after.
        candidates: for each direction, all that were fitted, under their names.
    """

    heads: Mapping[Direction, MatchHead]
    mean_only_heads: Mapping[Direction, MatchHead]
    figures: Mapping[str, Any]
    candidates: Mapping[Direction, Mapping[str, MatchHead]] = field(default_factory=dict)

    def for_share(self, share: float) -> Calibration:
        """The same where `share` of all pairs of a query and an item match, instead of what it was fitted on.

        A probability belongs to a share of matches. Whoever knows that of a gallery, from its classes or by counting
        the answers to a few queries, need not label pairs and fit anew.

        Args:
            share: in (0, 1).

        Raises:
            ValueError: the share is not in (0, 1), or the figures do not say on what it was fitted.
        """
        if not 0 < share < 1:
            raise ValueError(f"{share} is no share between 0 and 1")
        fitted = {direction: self._share(direction) for direction in Direction}

        def turned(heads: Mapping[Direction, MatchHead]) -> dict[Direction, MatchHead]:
            return {key: replace(head, map=for_share(head.map, fitted[key], share)) for key, head in heads.items()}

        candidates = {
            key: {name: replace(head, map=for_share(head.map, fitted[key], share)) for name, head in heads.items()}
            for key, heads in self.candidates.items()
        }
        figures = {**self.figures, "share": share}
        return Calibration(turned(self.heads), turned(self.mean_only_heads), figures, candidates)

    def _share(self, direction: Direction) -> float:
        """Of the matches: where it was fitted, or where it was turned to since."""
        found = self.figures.get("share")
        if found is not None:
            return float(found)
        try:
            share = float(self.figures[str(direction)]["share"])
        except (KeyError, TypeError) as error:
            raise ValueError("the calibration does not say how many of its pairs matched") from error
        if not 0 < share < 1:
            raise ValueError("the calibration was fitted where all pairs matched, or none")
        return share

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        sets = {"heads": self.heads, "mean_only_heads": self.mean_only_heads}
        plain = {name: {str(key): _plain(head) for key, head in heads.items()} for name, heads in sets.items()}
        candidates = {
            str(key): {name: _plain(head) for name, head in heads.items()} for key, heads in self.candidates.items()
        }
        return {**plain, "candidates": candidates, "figures": dict(self.figures)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From JSON; one without candidates, and without maps, is read as well.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is not what `to_dict` gives.
        """
        heads = {key: _head(values["heads"][key]) for key in Direction}
        mean_only = {key: _head({"means_alone": True, **values["mean_only_heads"][key]}) for key in Direction}
        candidates = {
            Direction(key): {name: _head(head) for name, head in each.items()}
            for key, each in values.get("candidates", {}).items()
        }
        return cls(heads, mean_only, values["figures"], candidates)


def _plain(head: MatchHead) -> dict[str, Any]:
    return {**asdict(head), "map": None if head.map is None else map_to_dict(head.map)}


def _head(values: Mapping[str, Any]) -> MatchHead:
    found = values.get("map")
    return MatchHead(
        values["scale"],
        values["shift"],
        term_from_dict(values["query"]),
        term_from_dict(values["item"]),
        None if found is None else map_from_dict(found),
        values.get("means_alone", False),
        tuple(values.get("steepness", (0.0, 0.0))),
    )
