"""Calibrate: fit every candidate on held-out pairs, and keep what is best on entries that it was not fitted on.

A probability of 0.7 should be right seven times in ten. Candidates are two extended heads, which see the variances, and
Platt's and isotonic maps of the raw match probability and of the distance of the means. The last two are the mean-only
competitors: where the variances do not beat them, they win, and the figures say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from evaluation.fit import Sees, fit_head
from evaluation.maps import fit_isotonic, fit_platt
from evaluation.pairs import SHORTLIST, Pairs, shortlisted
from evaluation.positives import Progress
from evaluation.protocols import Embedded
from evaluation.relevance import Relevance, owners, plausible, relevant
from evaluation.reliability import Reliability, reliability
from models.calibration import Calibration, Direction
from models.errors import ConfigError
from models.match import MatchHead
from models.reference import FIGURE, Reference

MEAN_ONLY: Final = ("mean_platt", "mean_isotonic")
# The simpler before the others: of equally good ones the first is chosen.
CANDIDATES: Final = (*MEAN_ONLY, "raw_platt", "raw_isotonic", "traces", "log_variances")
# Log-losses that differ by less are equal; of points all candidates that see variances are those that do not.
EQUAL_LOSS: Final = 1e-6
MIN_IMAGES: Final = 4
WEIGHTS: Final = f"each query with its {SHORTLIST} nearest items; the one at rank r weighs 1 / log2(1 + r)"


def calibrate(
    embedded: Embedded,
    raw: MatchHead,
    kind: Relevance | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Fit all candidates for each direction, and choose by cross-validated log-loss.

    Two folds of entries are each a collection of their own, so that neither queries nor items are judged by what was
    fitted on them; where classes match, whole classes are kept together.

    Args:
        embedded: a held-out collection, not trained on.
        raw: the head as trained.
        kind: which pairs match; the best that is known when left out.
        seed: draws folds and pairs.
        progress: is told (fits done, fits).

    Raises:
        ConfigError: there are fewer than four images, or the model embeds an item as several points.
    """
    if not embedded.one_point:
        raise ConfigError(
            "a model of several points an item has no match probability to calibrate: evaluate its ranking"
        )
    kind = kind or plausible(embedded.entries)
    halves = _halves(embedded, kind, seed)
    report = _Counted(progress, len(Direction) * (len(halves) + 1))
    found = {}
    for direction in Direction:
        judged = _cross_validated(halves, direction, raw, kind, seed, report)
        pairs = _pairs(embedded, direction, kind, seed)
        found[direction] = (fit_candidates(pairs, raw), judged, pairs)
        report.one_more()
    return _chosen(found, {"relevance": str(kind), "seed": seed, "weights": WEIGHTS})


def fit_candidates(pairs: Pairs, raw: MatchHead) -> dict[str, MatchHead]:
    """Every candidate, by its name, fitted to the same pairs."""
    points = fit_head(pairs, Sees.NOTHING)
    by_raw, by_means = (pairs.probabilities(head).flatten() for head in (raw, points))
    match, weight = pairs.match.flatten(), pairs.weight.flatten()
    return {
        "log_variances": fit_head(pairs, Sees.LOG_VARIANCES),
        "traces": fit_head(pairs, Sees.TRACES),
        "raw_platt": replace(raw, map=fit_platt(by_raw, match, weight)),
        "raw_isotonic": replace(raw, map=fit_isotonic(by_raw, match, weight)),
        "mean_platt": points,
        "mean_isotonic": replace(points, map=fit_isotonic(by_means, match, weight)),
    }


def best(judged: Mapping[str, Reliability], names: Sequence[str] = CANDIDATES) -> str:
    """The name of the least log-loss, up to `EQUAL_LOSS`."""
    least = min(judged[name].log_loss for name in names)
    return next(name for name in names if judged[name].log_loss < least + EQUAL_LOSS)


def _halves(embedded: Embedded, kind: Relevance, seed: int) -> tuple[Embedded, Embedded]:
    """Two halves of the entries; with four classes that match themselves, or more, each is in one half alone."""
    entries, rng = embedded.entries, default_rng([seed, 1])
    if len(entries) < MIN_IMAGES:
        raise ConfigError(f"a calibration needs at least {MIN_IMAGES} images, and there are {len(entries)}: give more")
    groups = np.arange(len(entries))
    if kind is Relevance.LABEL:
        labels = np.unique([str(entry.label) for entry in entries], return_inverse=True)[1]
        groups = labels if labels.max() >= MIN_IMAGES - 1 else groups
    side = (rng.permutation(groups.max() + 1) % 2)[groups]
    first, second = (_part(embedded, np.flatnonzero(side == half)) for half in (0, 1))
    return first, second


def _part(embedded: Embedded, images: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Embedded:
    texts = np.flatnonzero(np.isin(owners(embedded.entries), images))
    entries = [embedded.entries[int(image)] for image in images]
    return Embedded(entries, embedded.images[torch.from_numpy(images)], embedded.texts[torch.from_numpy(texts)])


def _pairs(embedded: Embedded, direction: Direction, kind: Relevance, seed: int) -> Pairs:
    return shortlisted(embedded, direction, relevant(embedded.entries, kind), seed)


def _cross_validated(
    halves: Sequence[Embedded], direction: Direction, raw: MatchHead, kind: Relevance, seed: int, report: _Counted
) -> dict[str, Reliability]:
    """Each candidate, and the raw head, on the half that it was not fitted on."""
    folds = [_pairs(half, direction, kind, seed) for half in halves]
    parts: dict[str, list[Tensor]] = {name: [] for name in ("raw", *CANDIDATES)}
    for fitted, held in (folds, folds[::-1]):
        for name, head in {"raw": raw, **fit_candidates(fitted, raw)}.items():
            parts[name].append(held.probabilities(head).flatten())
        report.one_more()
    match = torch.cat([fold.match.flatten() for fold in folds[::-1]])
    return {name: reliability(torch.cat(values), match) for name, values in parts.items()}


def _chosen(
    found: Mapping[Direction, tuple[dict[str, MatchHead], dict[str, Reliability], Pairs]], figures: dict[str, Any]
) -> Calibration:
    heads, mean_only, candidates = {}, {}, {}
    for direction, (fitted, judged, pairs) in found.items():
        winner, points = best(judged), best(judged, MEAN_ONLY)
        heads[direction], mean_only[direction], candidates[direction] = fitted[winner], fitted[points], fitted
        shown = {"raw": judged["raw"], "calibrated": judged[winner], "calibrated_mean_only": judged[points]}
        figures[str(direction)] = {
            "pairs": pairs.match.numel(),
            "matches": pairs.matches,
            "share": pairs.share,
            "chosen": winner,
            "chosen_mean_only": points,
            **{name: asdict(value) for name, value in shown.items()},
            "candidates": {name: asdict(judged[name]) for name in CANDIDATES},
            FIGURE: Reference.of(pairs.queries.sigma, pairs.probabilities(fitted[winner]).amax(1)).to_dict(),
        }
    return Calibration(heads, mean_only, figures, candidates)


class _Counted:
    """Tells how many of the fits are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def one_more(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
