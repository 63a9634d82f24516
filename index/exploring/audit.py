"""What is odd in a gallery: images whose captions hardly match them, and hubs. Kept beside the gallery's files.

An audit names items by their ids and is no part of what the gallery is: its fingerprint, its manifest and its answers
know nothing of it. It says of which state of the gallery it is, and stays true of what has not changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from index.exploring.hubs import Occurrences, occurrences
from index.exploring.mismatches import OwnPairs, own_pairs
from index.items import Modality
from index.local.gallery import Gallery
from models.artifact import read_json, write_json, writing
from models.errors import ArtifactError
from models.match import MatchHead

AUDIT: Final = "audit.json"
LISTED: Final = 1_000
"""So many of each kind are kept, the oddest."""
REMEDY: Final = "run `penumbra index audit` on the gallery's folder"


@dataclass(frozen=True)
class CaptionMatch:
    """A caption, and the probability that it matches its own image."""

    id: str
    match_probability: float


@dataclass(frozen=True)
class Mismatch:
    """An image with all its captions, in the order of their rows."""

    id: str
    captions: tuple[CaptionMatch, ...]


@dataclass(frozen=True)
class Hub:
    """An item, and how many queries have it among their first answers."""

    id: str
    occurrences: int


@dataclass(frozen=True)
class Hubness:
    """The hubs of a modality; see `index.exploring.hubs.Occurrences` for the figures."""

    queries: int
    answers: int
    items: int
    expected: float
    skewness: float | None
    skewness_by_chance: float | None
    hubs: tuple[Hub, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From JSON; raises what `Audit.from_dict` does."""
        return cls(**{**values, "hubs": tuple(Hub(**each) for each in values["hubs"])})


@dataclass(frozen=True)
class Audit:
    """What was found.

    Args:
        gallery: fingerprint of the state that was audited.
        created: UTC, ISO 8601.
        images: how many have captions of their own.
        captions: how many belong to an image.
        mismatched: the images whose worst caption matches least, the worst first.
        hubs: of each modality, those that occur most first.
    """

    gallery: str
    created: str
    images: int
    captions: int
    mismatched: tuple[Mismatch, ...]
    hubs: Mapping[Modality, Hubness]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From JSON; raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` when it is none."""
        mismatched = tuple(
            Mismatch(each["id"], tuple(CaptionMatch(**caption) for caption in each["captions"]))
            for each in values["mismatched"]
        )
        hubs = {modality: Hubness.from_dict(values["hubs"][modality]) for modality in Modality}
        return cls(**{**values, "mismatched": mismatched, "hubs": hubs})


def audit(
    gallery: Gallery, heads: Mapping[Modality, MatchHead], progress: Callable[[int, int], None] = lambda *_: None
) -> Audit:
    """Look for what is odd in a gallery as it is now.

    Args:
        gallery: at one moment.
        heads: the match head of the direction in which each modality answers: `index.building.build.match_heads`.
        progress: told how far it is, of how much, from the beginning for captions, for images and for texts.
    """
    pairs = own_pairs(gallery, heads[Modality.IMAGE], progress)
    hubs = {
        modality: _hubness(gallery, modality, occurrences(gallery, modality, heads[modality], progress))
        for modality in Modality
    }
    created = datetime.now(UTC).isoformat(timespec="seconds")
    images = len(np.unique(pairs.images))
    return Audit(gallery.fingerprint, created, images, len(pairs.captions), tuple(_worst(gallery, pairs)), hubs)


def read_audit(directory: Path) -> Audit | None:
    """The audit of a gallery, or None where there is none; raises `ArtifactError` when it cannot be read."""
    path = directory / AUDIT
    if not path.exists():
        return None
    try:
        return Audit.from_dict(read_json(path, REMEDY))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is no audit of a gallery ({error!r}): {REMEDY}") from error


def write_audit(directory: Path, found: Audit) -> None:
    """Put an audit beside a gallery's files, in one step; raises `ArtifactError` when it cannot be written."""
    with writing(directory / AUDIT):
        write_json(directory / AUDIT, asdict(found))


def carry_audit(gallery: Gallery, folder: Path, fingerprint: str) -> None:
    """Take the audit of a gallery, where it has one that can be read, to a folder with the same items built anew.

    Args:
        gallery: as it was when that began.
        folder: where they were built.
        fingerprint: of the new gallery; an audit of just these items is one of it.
    """
    try:
        found = read_audit(gallery.directory)
    except ArtifactError:
        return
    if found is not None:
        current = found.gallery == gallery.fingerprint
        write_audit(folder, replace(found, gallery=fingerprint) if current else found)


def _hubness(gallery: Gallery, modality: Modality, found: Occurrences) -> Hubness:
    places = np.lexsort((found.rows, -found.counts))[:LISTED]
    places = places[found.counts[places] > 0]
    items = gallery.items(modality, found.rows[places])
    hubs = tuple(Hub(item.id, int(count)) for item, count in zip(items, found.counts[places], strict=True))
    figures = found.expected, found.skewness, found.skewness_by_chance
    return Hubness(found.queries, found.answers, len(found.rows), *figures, hubs)


def _worst(gallery: Gallery, pairs: OwnPairs) -> Iterator[Mismatch]:
    """The images whose worst captions match least; equal ones by row."""
    groups = [list(places) for _, places in groupby(range(len(pairs.images)), lambda place: pairs.images[place])]
    groups.sort(key=lambda places: pairs.probabilities[places].min())
    for places in groups[:LISTED]:
        [image] = gallery.items(Modality.IMAGE, pairs.images[places[:1]])
        captions = gallery.items(Modality.TEXT, pairs.captions[places])
        probabilities = pairs.probabilities[places].tolist()
        yield Mismatch(image.id, tuple(CaptionMatch(i.id, p) for i, p in zip(captions, probabilities, strict=True)))
