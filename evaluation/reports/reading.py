"""Reading figures from JSON in which any of them may be missing or none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def part(tree: Any, *path: str) -> Mapping[str, Any]:
    """A table within a record, empty where it is missing."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else {}


def figure(tree: Any, *path: str) -> float | None:
    """A number within a record; None where it is missing, or none."""
    value = part(tree, *path[:-1]).get(path[-1])
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def figures_in(values: Any) -> list[float]:
    """A list of numbers, not a number where one is missing."""
    there = values if isinstance(values, list | tuple) else ()
    return [float(v) if isinstance(v, int | float) and math.isfinite(v) else math.nan for v in there]


def known_pairs(x: Any, y: Any) -> tuple[list[float], list[float]]:
    """The points of a line of which both coordinates are numbers; none where the lists are not of one length."""
    across, up = figures_in(x), figures_in(y)
    if len(across) != len(up):
        return [], []
    known = [(a, b) for a, b in zip(across, up, strict=True) if not math.isnan(a + b)]
    return [a for a, _ in known], [b for _, b in known]
