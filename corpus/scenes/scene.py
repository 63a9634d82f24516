"""A scene: one to three things in a setting, and how one is drawn by lot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.random import Generator

from corpus.scenes.shapes import signed_distance
from corpus.scenes.vocabulary import (
    COLOURS,
    COLUMNS,
    COUNTS,
    FOG,
    OVERLAP,
    ROWS,
    SETTINGS,
    SHAPES,
    SIZES,
    TEXTURES,
)

Value = TypeVar("Value")

RADII: Final[Mapping[str, float]] = {"large": 0.18, "small": 0.11}
CELL_CENTRES: Final = (0.20, 0.50, 0.80)
HIDDEN: Final = (0.12, 0.40)
"""Of a thing partly behind another at least and at most this share of its area is hidden."""
_JITTER: Final = 0.03
_PULL: Final = (0.02, 0.08)
_GAP: Final = 0.012
_MARGIN: Final = 0.012


@dataclass(frozen=True)
class Thing:
    """One object: what it looks like, its cell of the 3 × 3 grid, and its exact place in the unit square.

    Captions speak of the cell; `x`, `y` (to the right, down) and `tilt` (degrees) vary freely within it.
    """

    shape: str
    colour: str
    size: str
    texture: str
    column: str
    row: str
    x: float
    y: float
    tilt: float

    @property
    def radius(self) -> float:
        """The radius of the circle around the thing, as a share of the picture's side."""
        return RADII[self.size]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Everything a caption can say of the thing alone."""
        return (self.shape, self.colour, self.size, self.texture, self.column, self.row)


@dataclass(frozen=True)
class Scene:
    """One to three things in a setting, in the order they are drawn.

    `overlap` says that the first thing lies partly behind the second; no other things touch.
    """

    setting: str
    fog: bool
    overlap: bool
    things: tuple[Thing, ...]

    @property
    def attributes(self) -> tuple[Any, ...]:
        """Everything a caption can say of the scene; with equal attributes no words tell two apart."""
        things = tuple(thing.attributes for thing in self.things)
        return (self.setting, self.fog, self.overlap, things if self.overlap else tuple(sorted(things)))

    def to_json(self) -> dict[str, Any]:
        """The scene as a value that JSON can hold."""
        return {**asdict(self), "things": [asdict(thing) for thing in self.things]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scene:
        """The scene that `to_json` gave `value` for."""
        return cls(**{**value, "things": tuple(Thing(**thing) for thing in value["things"])})


def relations_between(scene: Scene, one: Thing, other: Thing) -> tuple[str, ...]:
    """Every relation in which `one` stands to `other`, two different things of the scene; never none."""
    across = COLUMNS.index(one.column) - COLUMNS.index(other.column)
    down = ROWS.index(one.row) - ROWS.index(other.row)
    pair = scene.things[:2] if scene.overlap else ()
    holding = {
        "left of": across < 0,
        "right of": across > 0,
        "above": down < 0,
        "below": down > 0,
        "behind": pair == (one, other),
        "in front of": pair == (other, one),
    }
    return tuple(relation for relation, holds in holding.items() if holds)


def sample_scene(rng: Generator) -> Scene:
    """Draw a scene by lot, with the frequencies of `vocabulary`."""
    setting, fog, count = draw(rng, SETTINGS), bool(rng.random() < FOG), draw(rng, COUNTS)
    overlap = count > 1 and bool(rng.random() < OVERLAP)
    while True:
        things = _place(rng, count, overlap)
        if things is not None:
            return Scene(setting, fog, overlap, things)


def draw(rng: Generator, frequencies: Mapping[Value, float]) -> Value:
    """One of the keys, with the probability that is its value."""
    at = rng.random() * sum(frequencies.values())
    for value, frequency in frequencies.items():
        at -= frequency
        if at < 0:
            return value
    return value


def hidden_share(back: Thing, front: Thing) -> float:
    """The share of `back`'s area that `front` covers, counted on a grid of 24 × 24 points."""
    offsets = np.linspace(-1.05, 1.05, 24, dtype=np.float32) * back.radius
    x, y = back.x + offsets[None, :], back.y + offsets[:, None]
    inside = distance_to(back, x, y) < 0
    return float((inside & (distance_to(front, x, y) < 0)).sum() / inside.sum())


def distance_to(thing: Thing, x: Any, y: Any) -> Any:
    """Signed distance of points of the unit square to a thing's outline, in units of the square's side."""
    across, down = local(thing, x, y)
    return signed_distance(thing.shape, across, down) * np.float32(thing.radius)


def local(thing: Thing, x: Any, y: Any) -> tuple[Any, Any]:
    """Points of the unit square in the thing's own upright frame, where its radius is 1."""
    turn = math.radians(thing.tilt)
    cosine, sine = np.float32(math.cos(turn) / thing.radius), np.float32(math.sin(turn) / thing.radius)
    dx, dy = x - np.float32(thing.x), y - np.float32(thing.y)
    return dx * cosine + dy * sine, dy * cosine - dx * sine


def _place(rng: Generator, count: int, overlap: bool) -> tuple[Thing, ...] | None:
    """Draw `count` things that lie apart, or of which the first two overlap; None when they do not fit."""
    things: list[Thing] = []
    for index in range(count):
        partner = things[0] if overlap and index == 1 else None
        for _ in range(12):
            thing = _thing(rng) if partner is None else _over(rng, partner)
            others = [other for other in things if other is not partner]
            fits = partner is None or HIDDEN[0] <= hidden_share(partner, thing) <= HIDDEN[1]
            if fits and all(_apart(thing, other) for other in others):
                things.append(thing)
                break
        else:
            return None
    return tuple(things)


def _thing(rng: Generator) -> Thing:
    """A thing anywhere on the grid."""
    column, row = int(rng.integers(3)), int(rng.integers(3))
    shift_x, shift_y = rng.uniform(-_JITTER, _JITTER, 2)
    return _dress(rng, column, row, CELL_CENTRES[column] + shift_x, CELL_CENTRES[row] + shift_y)


def _over(rng: Generator, back: Thing) -> Thing:
    """A thing in a cell beside that of `back`, drawn near to it."""
    column, row = COLUMNS.index(back.column), ROWS.index(back.row)
    cells = [(c, r) for c in range(3) for r in range(3) if max(abs(c - column), abs(r - row)) == 1]
    column, row = cells[rng.integers(len(cells))]
    x, y = CELL_CENTRES[column], CELL_CENTRES[row]
    pull = rng.uniform(*_PULL) * 2 / math.hypot(back.x - x, back.y - y)
    limit = _PULL[1]
    near_x = x + min(max(pull * (back.x - x), -limit), limit)
    near_y = y + min(max(pull * (back.y - y), -limit), limit)
    return _dress(rng, column, row, near_x, near_y)


def _dress(rng: Generator, column: int, row: int, x: float, y: float) -> Thing:
    """A thing at a place, with everything else drawn by lot, moved wholly into the picture."""
    shape, colour = draw(rng, SHAPES), draw(rng, COLOURS)
    size, texture = draw(rng, SIZES), draw(rng, TEXTURES)
    edge = RADII[size] + _MARGIN
    inside_x, inside_y = (round(float(min(max(at, edge), 1 - edge)), 4) for at in (x, y))
    tilt = round(float(rng.uniform(-12, 12)), 1)
    return Thing(shape, colour, size, texture, COLUMNS[column], ROWS[row], inside_x, inside_y, tilt)


def _apart(one: Thing, other: Thing) -> bool:
    """Whether two things lie in different cells and do not touch."""
    apart = math.hypot(one.x - other.x, one.y - other.y) >= one.radius + other.radius + _GAP
    return apart and (one.column, one.row) != (other.column, other.row)
