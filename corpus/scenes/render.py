"""Paints scenes: signed distances on a grid of twice the side, then the mean of 2 × 2 pixels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from corpus.scenes.backdrop import paint_backdrop
from corpus.scenes.palette import BACKDROPS, PAINTS
from corpus.scenes.scene import Scene, Thing, distance_to, local

Canvas = NDArray[Any]

_RIM: Final = 0.013
_SHADOW_OFFSET: Final = (0.010, 0.018)
_SHADOW_BLUR: Final = 0.022
_SHADOW_STRENGTH: Final = 0.30
_STRIPE: Final = 0.068
_DOT: Final = 0.076
_FOG: Final = 0.52


def render(scene: Scene, side: int = 128) -> NDArray[np.uint8]:
    """Paint a scene as uint8 [side, side, 3], the same bytes each time."""
    canvas = _backdrop(scene.setting, 2 * side).copy()
    for thing in scene.things:
        _paint(canvas, thing)
    halved = canvas.reshape(side, 2, side, 2, 3).mean(axis=(1, 3))
    if scene.fog:
        halved += _fog(side)[:, :, None] * (BACKDROPS[scene.setting].fog - halved)
    pixels: NDArray[np.uint8] = np.rint(halved * 255).clip(0, 255).astype(np.uint8)
    return pixels


@lru_cache(maxsize=32)
def _backdrop(setting: str, side: int) -> Canvas:
    return paint_backdrop(setting, side)


@lru_cache(maxsize=8)
def _fog(side: int) -> Canvas:
    """How much of each pixel the fog takes: slow level banks."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    banks = np.sin(at[:, None] * 11 + np.sin(at[None, :] * 5 + 1) * 0.8)
    return (_FOG + 0.07 * banks).astype(np.float32)


def _paint(canvas: Canvas, thing: Thing) -> None:
    """Lay a thing's shadow, then the thing, onto its part of the canvas."""
    side = canvas.shape[0]
    reach = thing.radius * 1.06 + _SHADOW_BLUR + _SHADOW_OFFSET[1]
    columns, rows = (_span(centre, reach, side) for centre in (thing.x, thing.y))
    part = canvas[rows, columns]
    x = ((np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / side)[None, :]
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / side)[:, None]
    under = distance_to(thing, x - _SHADOW_OFFSET[0], y - _SHADOW_OFFSET[1])
    part *= (1 - _SHADOW_STRENGTH * _fade(under, _SHADOW_BLUR))[:, :, None]
    distance = distance_to(thing, x, y)
    cover = np.clip(0.5 - distance * side, 0, 1)[:, :, None]
    part += cover * (_surface(thing, x, y, distance, side) - part)


def _span(centre: float, reach: float, side: int) -> slice:
    return slice(max(0, math.floor((centre - reach) * side)), min(side, math.ceil((centre + reach) * side)))


def _fade(distance: Canvas, width: float) -> Canvas:
    """1 inside, falling smoothly to 0 at `width` outside."""
    inward = np.clip(0.5 - distance / (2 * width), 0, 1)
    return inward * inward * (3 - 2 * inward)


def _surface(thing: Thing, x: Canvas, y: Canvas, distance: Canvas, side: int) -> Canvas:
    """The colours of a thing wherever it covers: body with a little light from above, pattern, rim."""
    paint = PAINTS[thing.colour]
    light = 1 - 0.10 * (y - thing.y) / thing.radius
    body = np.broadcast_to(paint.body * light[:, :, None], (*distance.shape, 3))
    if thing.texture != "plain":
        body = body + _pattern(thing, x, y, side)[:, :, None] * (paint.pattern - body)
    rim = np.clip(0.5 + (distance + _RIM) * side, 0, 1)[:, :, None]
    return body + rim * (paint.rim - body)


def _pattern(thing: Thing, x: Canvas, y: Canvas, side: int) -> Canvas:
    """How much of each pixel is stripe or dot: slanted stripes, or dots on a slanted lattice."""
    across, down = (at * np.float32(thing.radius) for at in local(thing, x, y))
    first, second = (across + down) * np.float32(math.sqrt(0.5)), (across - down) * np.float32(math.sqrt(0.5))
    if thing.texture == "striped":
        outside = np.abs(_nearest(first, _STRIPE)) - _STRIPE * 0.23
    else:
        outside = np.hypot(_nearest(first, _DOT), _nearest(second, _DOT)) - _DOT * 0.27
    return np.clip(0.5 - outside * side, 0, 1)


def _nearest(at: Canvas, period: float) -> Canvas:
    """The offset from the nearest multiple of `period`."""
    return at - np.float32(period) * np.rint(at / np.float32(period))
