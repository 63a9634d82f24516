"""What counts as a match: the caption's own image, the same class, or what is known to be true."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from corpus.manifest import Entry
from corpus.scenes.truth import truth_of
from evaluation.metrics import Bools, Ints
from models.errors import ConfigError


class Relevance(StrEnum):
    """Which pairs of a caption and an image match."""

    INSTANCE = "instance"
    LABEL = "label"
    TRUTH = "truth"


def owners(entries: Sequence[Entry]) -> Ints:
    """[texts]: the place of the image that each caption was written for, captions in the order of the entries."""
    return np.repeat(np.arange(len(entries)), [len(entry.captions) for entry in entries])


def relevant(entries: Sequence[Entry], kind: Relevance) -> Bools:
    """Which caption matches which image.

    Returns:
        bool [texts, images].

    Raises:
        ConfigError: the entries have no labels, or no known truth.
    """
    owner = owners(entries)
    if kind is Relevance.INSTANCE:
        return np.asarray(owner[:, None] == np.arange(len(entries)))
    if kind is Relevance.TRUTH:
        _require(all("scene" in entry.meta for entry in entries), "truth is known for Scenes alone")
        return truth_of(entries)
    _require(all(entry.label is not None for entry in entries), "an entry has no label")
    labels = np.unique([str(entry.label) for entry in entries], return_inverse=True)[1]
    return np.asarray(labels[owner][:, None] == labels)


def plausible(entries: Sequence[Entry]) -> Relevance:
    """The best knowledge of which pairs match that the entries carry: truth, else class labels, else instances."""
    if all("scene" in entry.meta for entry in entries):
        return Relevance.TRUTH
    if all(entry.label is not None for entry in entries):
        return Relevance.LABEL
    return Relevance.INSTANCE


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ConfigError(f"this relevance cannot be used here: {reason}; choose instance")
