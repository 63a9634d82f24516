"""What counts as a match: the caption's own image, the same class, what is known to be true, or what a table says."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from corpus.manifest import Entry
from corpus.scenes.truth import truth_of
from evaluation.positives import Ints, Positives
from models.calibration import Direction
from models.errors import ConfigError
from models.text import words


class Relevance(StrEnum):
    """Which pairs of a caption and an image match."""

    INSTANCE = "instance"
    LABEL = "label"
    TRUTH = "truth"


def owners(entries: Sequence[Entry]) -> Ints:
    """[texts]: the place of the image that each caption was written for, captions in the order of the entries."""
    return np.repeat(np.arange(len(entries)), [len(entry.captions) for entry in entries])


def relevant(entries: Sequence[Entry], kind: Relevance) -> Positives:
    """The images that each caption matches.

    Raises:
        ConfigError: the entries have no labels, or no known truth.
    """
    owner = owners(entries)
    if kind is Relevance.INSTANCE:
        return Positives.of_groups(owner, np.arange(len(entries)))
    if kind is Relevance.TRUTH:
        _require(all("scene" in entry.meta for entry in entries), "truth is known for Scenes alone")
        return Positives.of_mask(truth_of(entries))
    _require(all(entry.label is not None for entry in entries), "an entry has no label")
    labels = np.unique([str(entry.label) for entry in entries], return_inverse=True)[1]
    return Positives.of_groups(labels[owner], labels)


def same_words(entries: Sequence[Entry]) -> Positives:
    """The images that each caption or another one of the same words was written for.

    Nobody could tell such captions apart, so that a ranking by instance is wrong about them by chance alone.
    """
    owner = owners(entries)
    texts = [words(caption) for entry in entries for caption in entry.captions]
    images: dict[tuple[str, ...], list[int]] = {}
    for text, image in zip(texts, owner.tolist(), strict=True):
        images.setdefault(text, []).append(image)
    return Positives.of((images[text] for text in texts), len(entries))


def alike_in_categories(entries: Sequence[Entry], tolerance: int) -> Positives:
    """The images whose categories differ from those of a caption's own image in at most `tolerance` ones.

    R-Precision by it, averaged over tolerances 0, 1 and 2, is PMRP (PCME, Chun et al., 2021, section 4.2: ζ).

    Raises:
        ConfigError: an entry has no `categories` in its meta.
    """
    _require(all("categories" in entry.meta for entry in entries), "an entry names no categories")
    names = sorted({str(name) for entry in entries for name in entry.meta["categories"]})
    column = {name: place for place, name in enumerate(names)}
    table = np.zeros((len(entries), len(names)), dtype=np.float32)
    for row, entry in enumerate(entries):
        table[row, [column[str(name)] for name in entry.meta["categories"]]] = 1
    sizes = table.sum(axis=1)
    alike = [np.flatnonzero(sizes[row] + sizes - 2 * (table @ table[row]) <= tolerance) for row in range(len(entries))]
    return Positives.of((alike[image] for image in owners(entries)), len(entries))


def for_direction(positives: Positives, direction: Direction) -> Positives:
    """The images that each caption matches, as the queries of a direction ask: turned round where images ask."""
    return positives if direction is Direction.TEXT_TO_IMAGE else positives.transposed()


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
