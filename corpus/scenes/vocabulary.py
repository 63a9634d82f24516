"""What a scene is made of, and how common each value is.

Frequencies are skewed on purpose: a red disc is everywhere and a purple crescent nearly nowhere, so that the
number of true matches differs widely between pictures as well as between captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHAPES: Final[Mapping[str, float]] = {
    "disc": 0.24,
    "square": 0.19,
    "star": 0.15,
    "triangle": 0.13,
    "ring": 0.11,
    "heart": 0.08,
    "cross": 0.06,
    "crescent": 0.04,
}
COLOURS: Final[Mapping[str, float]] = {
    "red": 0.27,
    "blue": 0.22,
    "yellow": 0.16,
    "green": 0.13,
    "orange": 0.09,
    "white": 0.08,
    "purple": 0.05,
}
SIZES: Final[Mapping[str, float]] = {"large": 0.55, "small": 0.45}
TEXTURES: Final[Mapping[str, float]] = {"plain": 0.55, "striped": 0.28, "dotted": 0.17}
SETTINGS: Final[Mapping[str, float]] = {"day": 0.32, "night": 0.24, "meadow": 0.20, "dusk": 0.14, "sea": 0.10}
COUNTS: Final[Mapping[int, float]] = {1: 0.25, 2: 0.45, 3: 0.30}
FOG: Final = 0.15
"""The share of scenes that lie in fog."""
OVERLAP: Final = 0.35
"""The share of scenes of two or three things in which one is tried to be placed partly behind another."""

COLUMNS: Final = ("left", "centre", "right")
ROWS: Final = ("top", "middle", "bottom")

KINDS: Final[Mapping[str, frozenset[str]]] = {
    "round": frozenset({"disc", "ring"}),
    "angular": frozenset({"square", "triangle", "star", "cross"}),
}
"""Kinds of shape; hearts and crescents, both curved and pointed, are of neither kind."""
TONES: Final[Mapping[str, frozenset[str]]] = {
    "warm": frozenset({"red", "orange", "yellow"}),
    "cool": frozenset({"green", "blue", "purple"}),
}
"""Tones of colour; white is of neither."""

RELATIONS: Final = ("left of", "right of", "above", "below", "behind", "in front of")


def kind_of(shape: str) -> str | None:
    """The kind that `shape` is of, if any."""
    return next((kind for kind, shapes in KINDS.items() if shape in shapes), None)


def tone_of(colour: str) -> str | None:
    """The tone that `colour` is of, if any."""
    return next((tone for tone, colours in TONES.items() if colour in colours), None)
