"""Which captions are true of which scenes, known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from corpus.manifest import Entry
from corpus.scenes.description import Description, Mention
from corpus.scenes.scene import Scene, relations_between
from corpus.scenes.vocabulary import KINDS, RELATIONS, TONES

Truth = NDArray[np.bool_]

_MOST_THINGS: Final = 3


def truth(descriptions: Sequence[Description], scenes: Sequence[Scene]) -> Truth:
    """Whether each description is true of each scene: bool [descriptions, scenes]."""
    gallery = _Gallery(scenes)
    rows = [gallery.matches(description) for description in descriptions]
    return np.stack(rows) if rows else np.zeros((0, len(scenes)), dtype=np.bool_)


def truth_of(entries: Sequence[Entry]) -> Truth:
    """The same for a Scenes corpus read from disk: bool [captions, entries].

    Captions stand in the order of the entries and within each in its own order.
    """
    scenes = [Scene.from_json(entry.meta["scene"]) for entry in entries]
    descriptions = [Description.from_json(each) for entry in entries for each in entry.meta["descriptions"]]
    return truth(descriptions, scenes)


class _Gallery:
    """The attributes of many scenes in columns, with three slots for things, the last perhaps empty."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        slots = [[*scene.things, *[None] * (_MOST_THINGS - len(scene.things))] for scene in scenes]
        self._things: dict[str, NDArray[Any]] = {
            name: np.array([[getattr(t, name, "") for t in row] for row in slots]).reshape(-1, _MOST_THINGS).T
            for name in ("shape", "colour", "size", "texture", "column", "row")
        }
        self._settings = np.array([scene.setting for scene in scenes])
        self._fog = np.array([scene.fog for scene in scenes], dtype=np.bool_)
        self._counts = np.array([len(scene.things) for scene in scenes])
        self._relations = _relations(scenes)
        self._fitting: dict[Mention, Truth] = {}
        self._general: dict[tuple[Any, ...], Truth] = {}

    def matches(self, description: Description) -> Truth:
        """Of which scenes the description is true: bool [scenes]."""
        assigned = np.zeros(len(self._counts), dtype=np.bool_)
        fitting = [self._fit(mention) for mention in description.mentions]
        for slots in permutations(range(_MOST_THINGS), len(fitting)):
            held = self._generally(description)
            for slot, fit in zip(slots, fitting, strict=True):
                held = held & fit[slot]
            if description.relation is not None:
                held = held & self._relations[description.relation][slots[0], slots[1]]
            assigned |= held
        return assigned

    def _generally(self, description: Description) -> Truth:
        """Where all that is claimed of the scene as a whole holds: bool [scenes]."""
        key = (description.setting, description.fog, description.count)
        if key not in self._general:
            held = np.ones(len(self._counts), dtype=np.bool_)
            for claim, actual in zip(key, (self._settings, self._fog, self._counts), strict=True):
                held &= True if claim is None else actual == claim
            self._general[key] = held
        return self._general[key]

    def _fit(self, mention: Mention) -> Truth:
        """Which things fit a mention by themselves: bool [3, scenes], False in empty slots."""
        if mention not in self._fitting:
            fit = self._things["shape"] != ""
            for field in fields(mention):
                value = getattr(mention, field.name)
                if value is not None:
                    fit = fit & self._claim(field.name, value)
            self._fitting[mention] = fit
        return self._fitting[mention]

    def _claim(self, name: str, value: str) -> Truth:
        if name == "kind":
            return np.isin(self._things["shape"], list(KINDS[value]))
        if name == "tone":
            return np.isin(self._things["colour"], list(TONES[value]))
        return np.asarray(self._things[name] == value)


def _relations(scenes: Sequence[Scene]) -> dict[str, Truth]:
    """For every relation the pairs of slots that stand in it: bool [3, 3, scenes]."""
    table = {name: np.zeros((_MOST_THINGS, _MOST_THINGS, len(scenes)), dtype=np.bool_) for name in RELATIONS}
    for number, scene in enumerate(scenes):
        for (i, one), (j, other) in permutations(enumerate(scene.things), 2):
            for relation in relations_between(scene, one, other):
                table[relation][i, j, number] = True
    return table
