"""Signed distance functions of the shapes, of about unit radius, y pointing down.

Negative inside. Formulas of the star and the heart are after Inigo Quilez, "2D distance functions"
(iquilezles.org/articles/distfunctions2d). The others are exact at the outline, which is what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _disc(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 0.92


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.hypot(x, y) - 0.67) - 0.28


def _box(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _square(x: Array, y: Array) -> Array:
    return _box(x, y, 0.78, 0.78)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.92, 0.31), _box(x, y, 0.31, 0.92))


def _triangle(x: Array, y: Array) -> Array:
    lowered = y - 0.10
    return np.maximum(lowered, 0.866 * np.abs(x) - 0.5 * lowered) - 0.52


def _star(x: Array, y: Array, radius: float = 1.02, inset: float = 0.5) -> Array:
    """Fold the plane into one of ten equal wedges, where the outline is a single segment."""
    px, py = np.abs(x), -y - 0.03
    for normal_x, normal_y in ((0.809017, -0.587785), (-0.809017, -0.587785)):
        beyond = 2.0 * np.maximum(normal_x * px + normal_y * py, 0.0)
        px, py = px - beyond * normal_x, py - beyond * normal_y
    px, py = np.abs(px), py - radius
    edge_x, edge_y = inset * 0.587785, inset * 0.809017 - 1.0
    along = np.clip((px * edge_x + py * edge_y) / (edge_x**2 + edge_y**2), 0.0, radius)
    distance = np.hypot(px - edge_x * along, py - edge_y * along)
    return distance * np.sign(py * edge_x - px * edge_y)


def _heart(x: Array, y: Array, scale: float = 1.5) -> Array:
    px, py = np.abs(x) / scale, (0.80 - y) / scale
    lobe = np.hypot(px - 0.25, py - 0.75) - np.sqrt(0.125)
    to_top = px**2 + (py - 1.0) ** 2
    on_diagonal = 0.5 * np.maximum(px + py, 0.0)
    to_diagonal = (px - on_diagonal) ** 2 + (py - on_diagonal) ** 2
    below = np.sqrt(np.minimum(to_top, to_diagonal)) * np.sign(px - py)
    return np.where(px + py > 1.0, lobe, below) * scale


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(np.hypot(x + 0.12, y) - 0.95, 0.74 - np.hypot(x - 0.4, y))


_OUTLINES: Final[Mapping[str, Callable[[Array, Array], Array]]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "cross": _cross,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "crescent": _crescent,
}


def signed_distance(shape: str, x: Array, y: Array) -> Array:
    """How far each point (x, y) lies outside the unit `shape`; negative inside, same shape as `x`."""
    return _OUTLINES[shape](x, y)
