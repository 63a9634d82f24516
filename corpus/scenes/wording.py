"""Puts descriptions into words: about a hundred of them, several ways to say most things.

The choice of words carries no meaning: the text says what the description claims, all of it and nothing else.
An article claims no number ("a star" is true of two stars); "only two things" does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from numpy.random import Generator

from corpus.scenes.description import Description, Mention

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "disc": ("disc", "circle"),
    "ring": ("ring", "hoop"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "crescent": ("crescent",),
    "cross": ("cross", "plus"),
    "large": ("large", "big"),
    "small": ("small", "little"),
    "striped": ("striped", "stripy"),
    "dotted": ("dotted", "spotted"),
    "plain": ("plain",),
    "purple": ("purple", "violet"),
    "warm": ("warm-coloured",),
    "cool": ("cool-coloured",),
}
_THINGS: Final = ("thing", "object", "shape")
_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "day": ("by day", "in daylight"),
    "dusk": ("at dusk", "at sunset"),
    "night": ("at night", "in the dark"),
    "meadow": ("in a meadow", "over grass"),
    "sea": ("at sea", "over the water"),
}
_FOG: Final[Mapping[bool, tuple[str, ...]]] = {
    True: ("in fog", "in mist"),
    False: ("in clear air", "without fog"),
}
_PLACES: Final[Mapping[tuple[str | None, str | None], tuple[str, ...]]] = {
    ("left", None): ("on the left",),
    ("right", None): ("on the right",),
    (None, "top"): ("at the top",),
    (None, "bottom"): ("at the bottom",),
    ("left", "top"): ("at the top left", "in the top left corner"),
    ("right", "top"): ("at the top right", "in the top right corner"),
    ("left", "bottom"): ("at the bottom left", "in the bottom left corner"),
    ("right", "bottom"): ("at the bottom right", "in the bottom right corner"),
    ("centre", "middle"): ("in the centre", "in the very middle"),
    ("centre", "top"): ("at the top centre",),
    ("centre", "bottom"): ("at the bottom centre",),
    ("left", "middle"): ("at the centre left", "halfway up on the left"),
    ("right", "middle"): ("at the centre right", "halfway up on the right"),
}
PLACES: Final = frozenset(_PLACES)
"""The places (column, row) that there are words for."""
_RELATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "higher than"),
    "below": ("below", "lower than"),
    "behind": ("partly behind", "partly hidden by"),
    "in front of": ("in front of", "partly covering"),
}
_COUNTS: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("only one thing", "a single thing", "just one thing"),
    2: ("only two things", "exactly two things", "just two things"),
    3: ("three things", "exactly three things"),
}
_PICTURES: Final = ("a picture", "an image", "a scene")


def word(description: Description, rng: Generator) -> str:
    """A caption that says what the description claims; its `text` is not looked at."""
    surroundings = _surroundings(description, rng)
    subject = _subject(description, rng)
    if subject and surroundings and rng.random() < 0.25:
        return f"{' '.join(surroundings)}, {subject}".rstrip(",")
    if not subject:
        subject = _pick(rng, _PICTURES)
    elif description.count is None and rng.random() < 0.2:
        subject = f"{_pick(rng, _PICTURES)} {_pick(rng, ('with', 'of'))} {subject}"
    return " ".join([subject, *surroundings]).rstrip(",")


def _pick(rng: Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _surroundings(description: Description, rng: Generator) -> list[str]:
    """The setting and the fog, in either order."""
    phrases = []
    if description.setting is not None:
        phrases.append(_pick(rng, _SETTINGS[description.setting]))
    if description.fog is not None:
        phrases.append(_pick(rng, _FOG[description.fog]))
    return phrases if rng.random() < 0.5 else phrases[::-1]


def _subject(description: Description, rng: Generator) -> str:
    """The things: how many, and which."""
    phrases = [_mention(mention, rng) for mention in description.mentions]
    for index, mention in enumerate(description.mentions):
        if mention in description.mentions[:index]:
            phrases[index] = _another(phrases[index])
    listed = _related(phrases, description.relation, rng) if description.relation else _listed(phrases)
    if description.count is None:
        return listed
    total = _pick(rng, _COUNTS[description.count])
    return f"{total}, {listed}," if listed else total


def _related(phrases: Sequence[str], relation: str, rng: Generator) -> str:
    first, second, *others = phrases
    return " and also ".join([f"{first} {_pick(rng, _RELATIONS[relation])} {second}", *others])


def _listed(phrases: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(phrases[:-1]), *phrases[-1:]]))


def _another(phrase: str) -> str:
    """The phrase for a second thing that is claimed to be just like one before."""
    article, _, rest = phrase.partition(" ")
    return f"another {rest}" if article in ("a", "an") else f"{article} else {rest}".rstrip()


def _mention(mention: Mention, rng: Generator) -> str:
    """One thing: "a large red striped star at the top", "something round on the left"."""
    adjectives = _adjectives(mention, rng)
    place = _PLACES.get((mention.column, mention.row), ("",))
    if mention.shape is None and len(adjectives) < 3 and rng.random() < 0.6:
        phrase = f"something {' and '.join(adjectives)}".rstrip()
    else:
        noun = _pick(rng, _WORDS[mention.shape] if mention.shape else _THINGS)
        phrase = " ".join([*adjectives, noun])
        phrase = f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
    return f"{phrase} {_pick(rng, place)}".rstrip()


def _adjectives(mention: Mention, rng: Generator) -> list[str]:
    """Size first; then texture and colour in either order; then the kind of shape."""
    shades = [mention.texture, mention.colour or mention.tone]
    ordered = [mention.size, *(shades if rng.random() < 0.5 else shades[::-1]), mention.kind]
    return [_pick(rng, _WORDS.get(value, (value,))) for value in ordered if value is not None]
