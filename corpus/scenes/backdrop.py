"""Paints the settings that things lie in: a sky, a ground, and a faint cue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from corpus.scenes.palette import BACKDROPS

Canvas = NDArray[Any]

_HORIZON: Final[Mapping[str, float]] = {"day": 0.86, "dusk": 0.80, "night": 0.84, "meadow": 0.58, "sea": 0.50}


def paint_backdrop(setting: str, side: int) -> Canvas:
    """The empty setting as float32 [side, side, 3] in [0, 1]."""
    colours = BACKDROPS[setting]
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(at, at)
    horizon = _HORIZON[setting] + _hills(setting, x)
    sky = _blend(colours.top, colours.horizon, y / horizon)
    ground = _blend(colours.near, colours.bottom, (y - horizon) / (1 - horizon))
    below = np.clip(0.5 + (y - horizon) * side, 0, 1)[:, :, None]
    canvas = sky + below * (ground - sky)
    strength = _CUES[setting](x, y, side)[:, :, None]
    painted: Canvas = (canvas + strength * (colours.cue - canvas)).astype(np.float32)
    return painted


def _blend(start: Canvas, end: Canvas, share: Canvas) -> Canvas:
    blended: Canvas = start + np.clip(share, 0, 1)[:, :, None] * (end - start)
    return blended


def _hills(setting: str, x: Canvas) -> Canvas:
    """How the horizon rises and falls; the sea's is level."""
    height = 0.0 if setting == "sea" else 0.022
    return (height * (np.sin(x * 6.0 + 0.6) + 0.5 * np.sin(x * 13.0 + 2.0))).astype(np.float32)


def _spot(x: Canvas, y: Canvas, at: tuple[float, float], radius: float, side: int) -> Canvas:
    return np.clip(0.5 - (np.hypot(x - at[0], y - at[1]) - radius) * side, 0, 1)


def _clouds(x: Canvas, y: Canvas, side: int) -> Canvas:
    """Two flat clouds of three puffs each."""
    cover = np.zeros_like(x)
    for left, top in ((0.10, 0.16), (0.62, 0.30)):
        for dx, dy, radius in ((0.0, 0.02, 0.045), (0.075, 0.0, 0.065), (0.155, 0.02, 0.045)):
            cover = np.maximum(cover, _spot(x, y, (left + dx, top + dy), radius, side))
        cover *= np.clip(0.5 - (y - np.where(np.abs(y - top) < 0.2, top + 0.05, 2.0)) * side, 0, 1)
    return 0.45 * cover


def _glow(x: Canvas, y: Canvas, side: int) -> Canvas:
    """The light of a sun that has just gone down."""
    away = np.hypot((x - 0.5) * 0.8, y - 0.80)
    return 0.75 * np.exp(-((away / 0.26) ** 2)) * np.clip(0.5 + (0.79 - y) * 12, 0, 1)


def _stars(x: Canvas, y: Canvas, side: int) -> Canvas:
    """Points of light, always the same ones, fainter towards the horizon."""
    rng = np.random.default_rng(7)
    light = np.zeros_like(x)
    for _ in range(46):
        at = (float(rng.uniform(0.02, 0.98)), float(rng.uniform(0.02, 0.78)))
        light = np.maximum(light, rng.uniform(0.25, 0.75) * _spot(x, y, at, 0.0045, side))
    return light


def _blades(x: Canvas, y: Canvas, side: int) -> Canvas:
    """Tufts of grass: short upright strokes in rows."""
    rng = np.random.default_rng(11)
    cover = np.zeros_like(x)
    for _ in range(70):
        root_x, root_y = rng.uniform(0.01, 0.99), rng.uniform(0.66, 1.0)
        height, lean = rng.uniform(0.03, 0.05), rng.uniform(-0.5, 0.5)
        up = (root_y - y) / height
        width = 0.006 * np.clip(1 - up, 0, 1)
        stroke = np.clip(0.5 + (width - np.abs(x - root_x - lean * 0.03 * up)) * side, 0, 1)
        cover = np.maximum(cover, stroke * ((up > 0) & (up < 1)))
    return 0.5 * cover


def _waves(x: Canvas, y: Canvas, side: int) -> Canvas:
    """Rows of crests, wider apart the nearer they are."""
    depth = np.clip((y - 0.50) / 0.50, 0, 1)
    phase = 5.5 * np.sqrt(depth) + 0.10 * np.sin(x * 26 + np.floor(5.5 * np.sqrt(depth)) * 2.1)
    crest: Canvas = 0.5 * np.clip(1 - np.abs(phase - np.rint(phase)) * 9, 0, 1) * (depth > 0.015)
    return crest


_CUES: Final[Mapping[str, Callable[[Canvas, Canvas, int], Canvas]]] = {
    "day": _clouds,
    "dusk": _glow,
    "night": _stars,
    "meadow": _blades,
    "sea": _waves,
}
