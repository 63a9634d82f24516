"""Are queries unlike the collection told from it? AUROC of σ, of the first probability, of both, and of familiarity.

Outliers that cost nothing are always there: captions whose words are shuffled, words drawn from the vocabulary, and
pictures of noise. Other collections are asked for. No score is fitted on outliers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.random import Generator, default_rng
from scipy.ndimage import gaussian_filter
from scipy.special import logit

from corpus.manifest import Entry
from evaluation.confidence import tops
from evaluation.familiarity import whitening_of
from evaluation.positives import Floats, Progress
from evaluation.protocols import Embedded, embed
from evaluation.selective import error_auroc
from models.calibration import Direction
from models.encoders import Encoder
from models.familiarity import Familiarity
from models.gaussian import Gaussian, concatenate
from models.image import Pixels, from_array
from models.text import SPECIALS, words

SCORES: Final[tuple[str, ...]] = (
    "sigma",
    "probability",
    "both",
    "familiarity",
    "mean_only_probability",
    "mean_only_familiarity",
)
TOLD_APART: Final = 0.95
SYNTHETIC: Final = 500
NOISE_SHAPE: Final = (160, 200, 3)
NOISES: Final = ("uniform noise", "normal noise", "smooth noise")
# Standard deviations of the blur of smooth noise, in pixels: from specks to clouds.
BLURS: Final = (2.0, 8.0, 20.0)
BATCH: Final = 64
# A float32 probability of one or zero has no finite log-odds.
CLIP: Final = 1e-7

OutlierQueries = Mapping[Direction, Mapping[str, Gaussian]]
"""Queries of each direction, under the names of what they are."""


@dataclass(frozen=True)
class Detection:
    """How well outliers of a kind are told from the collection's queries.

    Args:
        auroc: for each of `SCORES` that the model has: the probability that an outlier has the higher score.
        alarms: the share of the outliers that a search says to be unlike or too uncertain; None where it cannot.
        queries: how many outliers.
    """

    auroc: Mapping[str, float]
    alarms: float | None
    queries: int


@dataclass(frozen=True)
class OutlierFigures:
    """What was found in one direction.

    Args:
        kinds: for each kind of outliers.
        false_alarms: the share of the collection's own queries that a search says to be unlike or too uncertain.
    """

    kinds: Mapping[str, Detection]
    false_alarms: float | None

    @property
    def verdict(self) -> str:
        """One sentence."""
        best = "familiarity" if self.false_alarms is not None else "both"
        good = [name for name, found in self.kinds.items() if found.auroc[best] >= TOLD_APART]
        short = [f"{name} ({found.auroc[best]:.2f})" for name, found in self.kinds.items() if name not in good]
        told = f"{best} tells {_list(good)} from these queries (AUROC ≥ {TOLD_APART})"
        alarms = "" if self.false_alarms is None else f"; {100 * self.false_alarms:.1f} % of these are false alarms"
        return f"{told}{f', and falls short for {_list(short)}' if short else ''}{alarms}."

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nothing"


def outlier_queries(
    encoder: Encoder,
    entries: Sequence[Entry],
    others: Mapping[str, Sequence[Entry]],
    progress: Progress | None = None,
    seed: int = 0,
) -> OutlierQueries:
    """Make and encode outliers.

    Args:
        encoder: of the model.
        entries: of the collection that is evaluated; its captions are shuffled.
        others: further collections by their names; their images and captions ask as well.
        progress: is told (done, of how many).
        seed: of the synthetic ones.
    """
    report, rng = progress or (lambda done, total: None), default_rng(seed)
    texts = text_outliers(encoder, entries, rng)
    made = SYNTHETIC * len(NOISES)
    done, total = 0, made + sum(len(entry.captions) + 1 for other in others.values() for entry in other)
    by_text = {name: encoder.encode_texts(sentences).to("cpu") for name, sentences in texts.items()}
    by_image = {}
    for name in NOISES:
        by_image[name] = _encode_noise(encoder, name, rng)
        report(done := done + SYNTHETIC, total)
    for name, other in others.items():
        found = embed(encoder, other, lambda count, _, before=done: report(before + count, total))  # type: ignore[misc]
        by_text[name], by_image[name] = found.texts, found.images
        done += len(found.texts) + len(found.images)
    return {Direction.TEXT_TO_IMAGE: by_text, Direction.IMAGE_TO_TEXT: by_image}


def text_outliers(encoder: Encoder, entries: Sequence[Entry], rng: Generator) -> dict[str, list[str]]:
    """Captions with their words in another order, and as many words drawn from the vocabulary.

    Both keep the length of a caption, and neither has a word that the captions or the model lack.
    """
    captions = [words(caption) for entry in entries for caption in entry.captions]
    chosen = [captions[place] for place in rng.permutation(len(captions))[:SYNTHETIC]]
    known = encoder.vocabulary.words[len(SPECIALS) :]
    return {
        "shuffled captions": [" ".join(rng.permutation(caption)) for caption in chosen],
        "random words": [" ".join(rng.choice(known, len(caption))) for caption in chosen],
    }


def noise_pictures(name: str, count: int, rng: Generator) -> Iterator[Pixels]:
    """Pictures, uint8 [height, width, 3], of one of `NOISES`; smooth noise is normal noise blurred."""
    for place in range(count):
        if name == "uniform noise":
            yield rng.integers(0, 256, NOISE_SHAPE, dtype=np.uint8)
            continue
        noise = rng.standard_normal(NOISE_SHAPE)
        if name == "smooth noise":
            blur = BLURS[place % len(BLURS)]
            noise = gaussian_filter(noise, (blur, blur, 0), mode="wrap")
            noise /= noise.std()
        yield np.clip(128 + 64 * noise, 0, 255).astype(np.uint8)


def _encode_noise(encoder: Encoder, name: str, rng: Generator) -> Gaussian:
    """Framed as every picture is."""
    parts = []
    for start in range(0, SYNTHETIC, BATCH):
        pictures = [from_array(pixels) for pixels in noise_pictures(name, min(BATCH, SYNTHETIC - start), rng)]
        parts.append(encoder.encode_images(pictures).to("cpu"))
    return concatenate(parts)


def detect(embedded: Embedded, encoder: Encoder, outliers: OutlierQueries) -> dict[Direction, OutlierFigures]:
    """Tell outliers from the collection's own queries, both asking the collection's items."""
    return {direction: _detect(embedded, encoder, direction, outliers[direction]) for direction in Direction}


def _detect(
    embedded: Embedded, encoder: Encoder, direction: Direction, kinds: Mapping[str, Gaussian]
) -> OutlierFigures:
    queries, items = embedded.sides(direction)
    known = (encoder.familiarity or {}).get(direction)
    own, found = _score(queries, items, encoder, direction), {}
    for name, outliers in kinds.items():
        if not len(outliers):
            continue
        theirs = _score(outliers, items, encoder, direction)
        pairs = {score: (own.values[score], theirs.values[score]) for score in own.values}
        pairs["both"] = distances_in_plane(own.plane, theirs.plane)
        areas = {score: auroc(*pairs[score]) for score in SCORES if score in pairs}
        found[name] = Detection(areas, _alarms(known, outliers), len(outliers))
    return OutlierFigures(found, _alarms(known, queries))


@dataclass(frozen=True, eq=False)
class _Scored:
    """Queries [n] with what is higher for the less usual ones, and log σ beside the log-odds of the first answer."""

    values: Mapping[str, Floats]
    plane: Floats


def _score(queries: Gaussian, items: Gaussian, encoder: Encoder, direction: Direction) -> _Scored:
    calibration, known = encoder.calibration, (encoder.familiarity or {}).get(direction)
    head = encoder.match if calibration is None else calibration.heads[direction]
    first, sigma = tops(queries, items, head).probability, queries.sigma.double().numpy()
    values = {"sigma": sigma, "probability": -first}
    if calibration is not None:
        mean_only = calibration.mean_only_heads[direction]
        values["mean_only_probability"] = -tops(queries, items, mean_only, means_alone=True).probability
    if known is not None:
        values["familiarity"] = known.distance(queries).double().numpy()
        values["mean_only_familiarity"] = known.distance(queries, means_alone=True).double().numpy()
    return _Scored(values, np.stack([np.log(sigma), logit(first.clip(CLIP, 1 - CLIP))], axis=1))


def distances_in_plane(own: Floats, others: Floats) -> tuple[Floats, Floats]:
    """How far points [n, p] lie from each other, and others [m, p] from them: Mahalanobis distances [n] and [m].

    Each half of the points is measured from the other half, so that none is measured from itself.
    """
    points, outside = torch.from_numpy(own), torch.from_numpy(others)
    half = torch.arange(len(points)) % 2 == 0
    inside, beyond = torch.empty(len(points), dtype=torch.float64), torch.zeros(len(outside), dtype=torch.float64)
    for part in (half, ~half):
        centre, whitening = whitening_of(points[~part])
        inside[part] = ((points[part] - centre) @ whitening.mT).norm(dim=-1)
        beyond += ((outside - centre) @ whitening.mT).norm(dim=-1) / 2
    return inside.numpy(), beyond.numpy()


def auroc(own: Floats, others: Floats) -> float:
    """The probability that one of the others has the higher score, ties counting half."""
    outlier = np.concatenate([np.zeros(len(own), dtype=np.bool_), np.ones(len(others), dtype=np.bool_)])
    return error_auroc(np.concatenate([own, others]), outlier)


def _alarms(known: Familiarity | None, queries: Gaussian) -> float | None:
    """The share of queries that a search warns of."""
    if known is None:
        return None
    return float((known.unlike(queries) | known.too_uncertain(queries)).double().mean())
