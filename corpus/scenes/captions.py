"""Captions of a scene, from exact to hopelessly vague.

A caption below the exact ones is given an amount of information, in nats, drawn evenly between nearly all that
a gallery of a few thousand needs and nothing; claims are then taken up in a random order while they fit in.
That spreads the number of pictures a caption is true of about evenly on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from numpy.random import Generator

from corpus.scenes.description import Description, Mention
from corpus.scenes.scene import Scene, Thing, relations_between
from corpus.scenes.vocabulary import (
    COLOURS,
    COUNTS,
    FOG,
    KINDS,
    SETTINGS,
    SHAPES,
    SIZES,
    TEXTURES,
    TONES,
    kind_of,
    tone_of,
)
from corpus.scenes.wording import PLACES, word

_SCENE: Final = -1
_MOST: Final = 6.6
"""The information of the most telling caption below the exact ones, in nats: true of about three in 2,000 scenes."""
_LEAST: Final = -0.4
"""Less than nothing, so that some captions claim nothing at all."""
_CHOICE: Final = 0.9
"""How much less a mention tells because it may speak of any thing of the scene: log of about 2.5."""
_ROUGHLY: Final = 0.5
"""By this much a caption may tell more than its amount."""
_ASPECTS: Final[Mapping[str, str]] = {"kind": "shape", "tone": "colour", "column": "place", "row": "place"}
_HYPERNYM: Final = 0.6
"""How often a caption may say "round" or "warm-coloured" in place of the shape or the colour."""
_TWO_THINGS: Final = 0.25
"""How often a caption below the exact ones speaks of two things rather than of the one that caught the eye."""
_NO_FOG: Final = 0.15
"""How often a caption may remark that there is no fog."""
_RELATION_SHARE: Final[Mapping[str, float]] = {"behind": 0.25, "in front of": 0.25}


@dataclass(frozen=True)
class _Claim:
    """Fields of the scene (`owner` −1) or of one mention, and what they tell, in nats."""

    owner: int
    fields: Mapping[str, Any]
    information: float


def describe(scene: Scene, rng: Generator, count: int = 6) -> tuple[Description, ...]:
    """`count` captions that are true of the scene: the first third of them exact, the last the vaguest."""
    exact = max(1, count // 3)
    rest = count - exact
    amounts = [_LEAST + (_MOST - _LEAST) * (1 - (step + rng.random()) / rest) for step in range(rest)]
    drafts = [*(_exact(scene, rng) for _ in range(exact)), *(_partial(scene, rng, amount) for amount in amounts)]
    return tuple(replace(draft, text=word(draft, rng)) for draft in drafts)


def _exact(scene: Scene, rng: Generator) -> Description:
    """Everything: all things with all attributes and places, the setting, the fog, and sometimes more.

    Of a single thing it always says that there is no other, or it would be true of every scene that adds one.
    """
    things = _ordered(scene, rng)
    mentions = tuple(
        Mention(shape=t.shape, colour=t.colour, size=t.size, texture=t.texture, column=t.column, row=t.row)
        for t in things
    )
    relation = _relation(scene, things, rng) if rng.random() < 0.5 else None
    fog = scene.fog if scene.fog or rng.random() < 0.3 else None
    count = len(things) if len(things) == 1 or rng.random() < 0.3 else None
    return Description("", mentions, relation, scene.setting, fog, count)


def _partial(scene: Scene, rng: Generator, amount: float) -> Description:
    """A description of about `amount` nats, from claims taken in a random order while they fit."""
    spoken_of = 2 if len(scene.things) > 1 and amount > 2 and rng.random() < _TWO_THINGS else 1
    things = _ordered(scene, rng)[:spoken_of]
    claims = _claims(scene, things, rng)
    taken: list[_Claim] = []
    told = 0.0
    for index in rng.permutation(len(claims)):
        claim = claims[index]
        first = claim.owner != _SCENE and all(claim.owner != other.owner for other in taken)
        news = max(0.05, claim.information - _CHOICE * first)
        if told + news <= amount + _ROUGHLY * rng.random() and not _clash(claim, taken):
            taken.append(claim)
            told += news
    return _assemble(taken, spoken_of)


def _clash(claim: _Claim, taken: Sequence[_Claim]) -> bool:
    """Whether something that claims as much or more has been said of the same aspect."""
    mine = _aspects(claim)
    return any(claim.owner == other.owner and mine & _aspects(other) for other in taken)


def _aspects(claim: _Claim) -> set[str]:
    return {_ASPECTS.get(name, name) for name in claim.fields}


def _assemble(taken: Sequence[_Claim], spoken_of: int) -> Description:
    """The description that makes the claims; things of which nothing is said are left out."""
    said: list[dict[str, Any]] = [{} for _ in range(spoken_of)]
    general: dict[str, Any] = {}
    for claim in taken:
        (general if claim.owner == _SCENE else said[claim.owner]).update(claim.fields)
    needed = 2 if "relation" in general else 0
    mentions = tuple(Mention(**fields) for index, fields in enumerate(said) if fields or index < needed)
    return Description("", mentions, **general)


def _ordered(scene: Scene, rng: Generator) -> list[Thing]:
    return [scene.things[index] for index in rng.permutation(len(scene.things))]


def _claims(scene: Scene, things: Sequence[Thing], rng: Generator) -> list[_Claim]:
    """All that can be claimed of the scene and of `things`, each with its information."""
    claims = [_Claim(_SCENE, {"setting": scene.setting}, -math.log(SETTINGS[scene.setting]))]
    if rng.random() < 0.5:
        claims.append(_Claim(_SCENE, {"count": len(scene.things)}, -math.log(COUNTS[len(scene.things)])))
    if scene.fog or rng.random() < _NO_FOG:
        claims.append(_Claim(_SCENE, {"fog": scene.fog}, -math.log(FOG if scene.fog else 1 - FOG)))
    relation = _relation(scene, things, rng)
    if relation is not None:
        claims.append(_Claim(_SCENE, {"relation": relation}, -math.log(_RELATION_SHARE.get(relation, 0.5))))
    for owner, thing in enumerate(things):
        claims += _claims_of_thing(owner, thing, rng)
    return claims


def _claims_of_thing(owner: int, thing: Thing, rng: Generator) -> list[_Claim]:
    named: list[tuple[str, str, Mapping[str, float]]] = [
        ("shape", thing.shape, SHAPES),
        ("colour", thing.colour, COLOURS),
        ("size", thing.size, SIZES),
        ("texture", thing.texture, TEXTURES),
    ]
    claims = [_Claim(owner, {name: value}, -math.log(shares[value])) for name, value, shares in named]
    kind, tone = kind_of(thing.shape), tone_of(thing.colour)
    if kind is not None and rng.random() < _HYPERNYM:
        claims.append(_Claim(owner, {"kind": kind}, -math.log(sum(SHAPES[shape] for shape in KINDS[kind]))))
    if tone is not None and rng.random() < _HYPERNYM:
        claims.append(_Claim(owner, {"tone": tone}, -math.log(sum(COLOURS[name] for name in TONES[tone]))))
    return claims + _places(owner, thing)


def _places(owner: int, thing: Thing) -> list[_Claim]:
    """The ways to say where a thing lies: its cell, its column, its row."""
    places = [(thing.column, thing.row), (thing.column, None), (None, thing.row)]
    return [
        _Claim(owner, {"column": column, "row": row}, math.log(9 if column and row else 3))
        for column, row in places
        if (column, row) in PLACES
    ]


def _relation(scene: Scene, things: Sequence[Thing], rng: Generator) -> str | None:
    """One of the relations in which the first of `things` stands to the second, if there are two."""
    if len(things) < 2:
        return None
    holding = relations_between(scene, things[0], things[1])
    return holding[int(rng.integers(len(holding)))]
