"""Encode some pictures and captions of a collection again, each with less and less left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.random import default_rng

from evaluation.perturbations import BLURRED, DROPPED, ERASED, blur, drop_words, erase
from evaluation.positives import Ints, Progress
from evaluation.protocols import Embedded, framed
from models.calibration import Direction
from models.encoders import Encoder
from models.gaussian import Gaussian, concatenate
from models.image import normalise

MOST_IMAGES: Final = 500
MOST_CAPTIONS: Final = 2_000
# Shorter captions lose no word at the first level.
LEAST_WORDS: Final = 5
Advance = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Disturbed:
    """Some queries, encoded at every level of a perturbation.

    Args:
        direction: which side asks.
        what: the perturbation.
        rows: [queries], their places in the collection.
        levels: the first is none.
        encoded: for each level, Gaussian [queries, dim].
    """

    direction: Direction
    what: str
    rows: Ints
    levels: tuple[float, ...]
    encoded: tuple[Gaussian, ...]


def disturb(
    encoder: Encoder, embedded: Embedded, progress: Progress | None = None, seed: int = 0, batch: int = 64
) -> tuple[Disturbed, ...]:
    """Erase and blur at most 500 images, and drop words from at most 2,000 captions of five words and more.

    Args:
        encoder: the one that encoded the collection.
        embedded: the collection; the first level is taken from it.
        progress: is told (encodings done, encodings).
        seed: chooses items, areas and words.
        batch: how many pictures are encoded together.
    """
    captions = [caption for entry in embedded.entries for caption in entry.captions]
    long = [row for row, text in enumerate(captions) if len(text.split()) >= LEAST_WORDS]
    images = _some(np.arange(len(embedded.entries)), MOST_IMAGES, [seed, 0])
    texts = _some(np.array(long, dtype=np.int64), MOST_CAPTIONS, [seed, 1])
    total = len(images) * (len(ERASED) + len(BLURRED) - 2) + len(texts) * (len(DROPPED) - 1)
    advance = _counting(progress or (lambda done, total: None), total)
    pictured = _disturb_images(encoder, embedded, images, seed, batch, advance) if len(images) else ()
    if not len(texts):
        return pictured
    chosen = [captions[row] for row in texts]
    dropped = (_dropped(encoder, chosen, share, seed, 4 * batch, advance) for share in DROPPED[1:])
    encoded = (embedded.texts[torch.from_numpy(texts)], *dropped)
    return (*pictured, Disturbed(Direction.TEXT_TO_IMAGE, "dropped", texts, DROPPED, encoded))


def _some(rows: Ints, most: int, seed: Sequence[int]) -> Ints:
    """At most so many of the rows, in their order."""
    return np.sort(default_rng(seed).permutation(rows)[:most])


def _counting(progress: Progress, total: int) -> Advance:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return advance


def _disturb_images(
    encoder: Encoder, embedded: Embedded, rows: Ints, seed: int, batch: int, advance: Advance
) -> tuple[Disturbed, ...]:
    """Every picture is read once."""
    corners = torch.from_numpy(default_rng([seed, 2]).random((len(rows), 2)))
    kinds = {"erased": ERASED, "blurred": BLURRED}
    parts: dict[tuple[str, float], list[Gaussian]] = {(what, s): [] for what in kinds for s in kinds[what][1:]}
    with ThreadPoolExecutor(2) as pool:
        for number, read in enumerate(framed(encoder, [embedded.entries[row] for row in rows], pool, batch)):
            pixels, place = normalise(read), corners[number * batch :][: len(read)]
            for (what, share), encoded in parts.items():
                lessened = erase(pixels, share, place) if what == "erased" else blur(pixels, share)
                encoded.append(encoder.encode_pixels(lessened).to("cpu"))
                advance(len(read))
    whole = embedded.images[torch.from_numpy(rows)]
    return tuple(
        Disturbed(
            Direction.IMAGE_TO_TEXT, what, rows, levels, (whole, *(concatenate(parts[what, s]) for s in levels[1:]))
        )
        for what, levels in kinds.items()
    )


def _dropped(encoder: Encoder, captions: list[str], share: float, seed: int, batch: int, advance: Advance) -> Gaussian:
    shorter, encoded = drop_words(captions, share, seed), []
    for start in range(0, len(shorter), batch):
        encoded.append(encoder.encode_texts(shorter[start : start + batch]).to("cpu"))
        advance(len(encoded[-1]))
    return concatenate(encoded)
