"""Painted scenes: every attribute can be seen, and nothing else decides the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from corpus.scenes import vocabulary
from corpus.scenes.palette import PAINTS
from corpus.scenes.render import render
from corpus.scenes.scene import Scene, Thing, hidden_share
from corpus.scenes.shapes import signed_distance

THING = Thing("disc", "red", "small", "plain", "centre", "middle", 0.5, 0.5, 0.0)
ATTRIBUTES = [
    ("shape", vocabulary.SHAPES),
    ("colour", vocabulary.COLOURS),
    ("size", vocabulary.SIZES),
    ("texture", vocabulary.TEXTURES),
]


def picture(thing: Thing = THING, setting: str = "day", fog: bool = False) -> np.ndarray:
    return render(Scene(setting, fog, False, (thing,)), side=96).astype(int)


def changed(one: np.ndarray, other: np.ndarray, by: int = 25) -> int:
    """How many pixels differ clearly in some channel."""
    return int((np.abs(one - other).max(axis=2) > by).sum())


@pytest.mark.parametrize("fog", [False, True])
@pytest.mark.parametrize(("name", "values"), ATTRIBUTES)
def test_each_value_of_an_attribute_looks_different(name: str, values: dict[str, float], fog: bool) -> None:
    """On a small thing at 96 pixels, two values differ clearly in 20 pixels or more, in fog too."""
    pictures = [picture(replace(THING, **{name: value}), fog=fog) for value in values]
    for index, one in enumerate(pictures):
        assert min((changed(one, other) for other in pictures[:index]), default=99) >= 20


def test_colours_lie_well_apart() -> None:
    """The bodies of two colours differ by at least 0.25 in RGB, where black and white differ by 1.7."""
    bodies = [PAINTS[colour].body for colour in vocabulary.COLOURS]
    for index, one in enumerate(bodies):
        assert min((float(np.linalg.norm(one - other)) for other in bodies[:index]), default=1.0) > 0.25


@pytest.mark.parametrize("colour", vocabulary.COLOURS)
@pytest.mark.parametrize("setting", vocabulary.SETTINGS)
def test_a_thing_stands_out_from_every_setting(setting: str, colour: str) -> None:
    """A small thing of any colour changes at least 200 of 9,216 pixels clearly, be it on sky or ground."""
    for y in (0.2, 0.8):
        there = picture(replace(THING, colour=colour, y=y), setting)
        elsewhere = picture(replace(THING, colour=colour, y=1 - y), setting)
        assert changed(there[int(96 * y) - 12 :][:24], elsewhere[int(96 * y) - 12 :][:24]) >= 200


@pytest.mark.parametrize("setting", vocabulary.SETTINGS)
def test_settings_and_fog_look_different(setting: str) -> None:
    """Each setting differs over most of the picture from each other one and from itself in fog."""
    pictures = [picture(setting=name) for name in vocabulary.SETTINGS if name != setting]
    assert min(changed(picture(setting=setting), other, by=10) for other in pictures) > 4000
    assert changed(picture(setting=setting), picture(setting=setting, fog=True), by=10) > 4000


def test_what_comes_later_lies_in_front() -> None:
    """Where two things overlap, the second one's colour is seen."""
    back, front = replace(THING, x=0.46), replace(THING, x=0.54, colour="blue")
    for things, colour in (((back, front), "blue"), ((front, back), "red")):
        pixel = render(Scene("day", False, True, things), side=96)[48, 48] / 255
        assert np.allclose(pixel, PAINTS[colour].body, atol=0.06)


def test_the_place_of_a_thing_is_where_it_is_painted() -> None:
    """The middle of what a thing changes is at its x and y."""
    empty = picture(replace(THING, x=0.8, y=0.2))
    seen = np.abs(picture(replace(THING, x=0.2, y=0.6)) - empty).max(axis=2) > 60
    rows, columns = np.nonzero(seen[:, :48])
    assert abs(rows.mean() / 96 - 0.6) < 0.02
    assert abs(columns.mean() / 96 - 0.2) < 0.02


def test_the_same_scene_gives_the_same_bytes_at_any_side() -> None:
    """Painting is a function of scene and side, and twice the side is the same picture, finer."""
    scene = Scene("sea", True, False, (THING,))
    assert render(scene, 128).tobytes() == render(scene, 128).tobytes()
    fine = render(scene, 192).reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(fine - render(scene, 96)).mean() < 2


@pytest.mark.parametrize("shape", vocabulary.SHAPES)
def test_shapes_lie_within_their_radius_and_fill_a_good_part_of_it(shape: str) -> None:
    """No outline reaches beyond 1.13 radii, and each covers at least a quarter of the circle around it."""
    at = np.linspace(-1.5, 1.5, 301, dtype=np.float32)
    x, y = np.meshgrid(at, at)
    inside = signed_distance(shape, x, y) < 0
    assert np.hypot(x, y)[inside].max() < 1.13
    assert inside.sum() / (np.hypot(x, y) < 1).sum() > 0.25


def test_hidden_share_is_that_of_two_squares_side_by_side() -> None:
    """Of a square half covered by an equal one half a width away, half is hidden."""
    back = replace(THING, shape="square")
    front = replace(back, x=back.x + 0.78 * back.radius)
    assert abs(hidden_share(back, front) - 0.5) < 0.05
    assert hidden_share(back, replace(back, x=0.9)) == 0
