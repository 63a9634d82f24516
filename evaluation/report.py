"""Everything that `penumbra evaluate` says of a model on a collection, as figures and plain sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from evaluation.confidence import Confidence, confidence
from evaluation.disturbed import Disturbed
from evaluation.metrics import r_precision
from evaluation.outliers import OutlierFigures, OutlierQueries, detect
from evaluation.pairs import Pairs, shortlisted
from evaluation.positives import Positives, Progress, Ranks, rank_positives
from evaluation.protocols import (
    Embedded,
    Ranked,
    RankingQuality,
    distances_between,
    quality_in_folds,
    quality_of,
    rank_both_ways,
    rsum,
)
from evaluation.relevance import Relevance, alike_in_categories, for_direction, plausible, relevant, same_words
from evaluation.reliability import reliability
from evaluation.sensitivity import Series, disturbed_series, observed_series
from evaluation.tables import Table
from evaluation.uncertainty import AmbiguityCorrelation, ambiguity_correlation, telling_sigma
from models.calibration import Calibration, Direction
from models.encoders import Encoder
from models.match import MatchHead
from models.variances import VarianceState, variance_state

PMRP_TOLERANCES: Final = (0, 1, 2)


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Args:
        ranking: for each direction.
        further: rankings by other meanings of a match, under their names.
        pmrp: R-Precision by categories, averaged over tolerances 0, 1 and 2 (PCME, section 4.2), where they are known.
        reliability: for each direction, `Reliability` of the match probability as JSON: `raw`, `calibrated`,
            `calibrated_mean_only`, and of all `candidates` of the calibration by their names.
        confidence: for each direction, whether σ and the probabilities know which first answers are wrong; only with a
            calibration.
        variances: their state, for images and texts.
        ambiguity: σ against the true number of matches, where that is known.
        recall_1_exact: Recall@1 of captions that are true of one image only, where that is known.
        sensitivity: σ against what should raise it.
        outliers: for each direction, whether queries unlike the collection are told from it, where it was asked for.
    """

    ranking: Mapping[Direction, RankingQuality]
    further: Mapping[str, Mapping[Direction, RankingQuality]]
    pmrp: Mapping[Direction, float] | None
    reliability: Mapping[str, Any]
    confidence: Mapping[Direction, Confidence] | None
    variances: Mapping[str, VarianceState]
    ambiguity: Mapping[str, AmbiguityCorrelation] | None
    recall_1_exact: float | None
    sensitivity: tuple[Series, ...] | None = None
    outliers: Mapping[Direction, OutlierFigures] | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a table does not say well."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        yield f"RSUM: {rsum(self.ranking):.1f} of 600."
        for direction, value in (self.pmrp or {}).items():
            yield f"{direction}: PMRP {100 * value:.1f} %."
        for direction in Direction:
            first = (self.reliability.get(str(direction), {}).get("calibrated") or {}).get("shown")
            if first is not None:
                given, match = (100 * first[key] for key in ("probability", "frequency"))
                yield (
                    f"{direction}: the ten most probable items are given {given:.1f} % on average, and {match:.1f} % "
                    f"of them match (ECE {first['ece']:.3f})."
                )
        for direction, sure in (self.confidence or {}).items():
            yield from (f"{direction}: {line}" for line in sure.sentences)
        for side, state in self.variances.items():
            yield f"{side}: {state.verdict}"
        yield from (each.sentence for each in self.sensitivity or () if each.sentence is not None)
        if self.recall_1_exact is not None:
            yield f"Recall@1 of captions that are true of one image only: {100 * self.recall_1_exact:.1f} %."
        for direction, told in (self.outliers or {}).items():
            yield f"{direction}: {told.verdict}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ranking": {str(key): asdict(value) for key, value in self.ranking.items()},
            "rsum": rsum(self.ranking),
            "further": {
                name: {str(key): asdict(value) for key, value in ranking.items()}
                for name, ranking in self.further.items()
            },
            "pmrp": None if self.pmrp is None else {str(key): value for key, value in self.pmrp.items()},
            "reliability": dict(self.reliability),
            "confidence": {str(key): value.to_dict() for key, value in (self.confidence or {}).items()},
            "variances": {key: value.to_dict() for key, value in self.variances.items()},
            "ambiguity": {key: asdict(value) for key, value in (self.ambiguity or {}).items()},
            "recall_1_exact": self.recall_1_exact,
            "sensitivity": [each.to_dict() for each in self.sensitivity or ()],
            "outliers": {str(key): value.to_dict() for key, value in (self.outliers or {}).items()},
        }


@dataclass(frozen=True)
class Asked:
    """What is wanted beside the usual ranking.

    Args:
        same_words: one in which the images of captions of the same words count as each other's.
        folds: one averaged over so many parts of the collection.
        tables: one by each given table of positives.
        disturbed: queries with less and less left of them, for σ against what should raise it.
        outliers: queries that should be told from the collection's own.
    """

    same_words: bool = False
    folds: int | None = None
    tables: Sequence[Table] = ()
    disturbed: Sequence[Disturbed] = ()
    outliers: OutlierQueries | None = None


def measure(
    embedded: Embedded,
    encoder: Encoder,
    kind: Relevance | None = None,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> Figures:
    """Measure ranking, probabilities and variances. Of several points an item the ranking alone is measured.

    Args:
        embedded: the collection, encoded by `encoder`.
        encoder: with or without a calibration.
        kind: which pairs match; the best that is known when left out.
        asked: what more to rank by.
        progress: of the usual ranking, is told (queries done, queries).
    """
    kind, asked = kind or plausible(embedded.entries), asked or Asked()
    own, matches = (relevant(embedded.entries, each) for each in (Relevance.INSTANCE, kind))
    known = kind is Relevance.TRUTH
    ranked = rank_both_ways(embedded, own, matches, progress)
    mean_only = None if encoder.calibration is None else encoder.calibration.mean_only_heads
    return Figures(
        {direction: each.quality for direction, each in ranked.items()},
        _further(embedded, kind, matches, asked),
        _pmrp(embedded),
        {"relevance": str(kind), **(_reliability(embedded, encoder, matches) if embedded.one_point else {})},
        _confidence(embedded, encoder, ranked, matches),
        {"images": variance_state(embedded.images), "texts": variance_state(embedded.texts)},
        _ambiguity(embedded, matches) if known else None,
        recall_1_of_exact(ranked[Direction.TEXT_TO_IMAGE].wider) if known else None,
        (
            *observed_series(embedded, ranked, matches if known else None, mean_only),
            *(disturbed_series(each, embedded, own, matches, mean_only) for each in asked.disturbed),
        ),
        None if asked.outliers is None else detect(embedded, encoder, asked.outliers),
    )


def _further(
    embedded: Embedded, kind: Relevance, matches: Positives, asked: Asked
) -> dict[str, dict[Direction, RankingQuality]]:
    found = {}
    if asked.same_words:
        ranked = rank_both_ways(embedded, same_words(embedded.entries), matches)
        found["same words count"] = {direction: each.quality for direction, each in ranked.items()}
    if asked.folds is not None:
        found[f"{asked.folds} folds"] = quality_in_folds(embedded, asked.folds, kind)
    return found | _by_tables(embedded, asked.tables)


def _by_tables(embedded: Embedded, tables: Sequence[Table]) -> dict[str, dict[Direction, RankingQuality]]:
    """One ranking a direction serves all tables."""
    found: dict[str, dict[Direction, RankingQuality]] = {table.name: {} for table in tables}
    for direction in Direction if tables else ():
        kinds = [table.positives[direction] for table in tables]
        every = rank_positives(distances_between(*embedded.sides(direction)), *kinds)
        for table, ranks in zip(tables, every, strict=True):
            found[table.name][direction] = quality_of(ranks, ranks)
    return found


def _confidence(
    embedded: Embedded, encoder: Encoder, ranked: Mapping[Direction, Ranked], wider: Positives
) -> dict[Direction, Confidence] | None:
    if encoder.calibration is None:
        return None
    found = {}
    for direction in Direction:
        head, mean_only = (s[direction] for s in (encoder.calibration.heads, encoder.calibration.mean_only_heads))
        turned = for_direction(wider, direction)
        found[direction] = confidence(embedded, direction, ranked[direction], turned, head, mean_only)
    return found


def _pmrp(embedded: Embedded) -> dict[Direction, float] | None:
    """Plausible-match R-Precision, where every image names its categories."""
    if not all("categories" in entry.meta for entry in embedded.entries):
        return None
    alike = [alike_in_categories(embedded.entries, tolerance) for tolerance in PMRP_TOLERANCES]
    found = {}
    for direction in Direction:
        turned = [for_direction(positives, direction) for positives in alike]
        ranks = rank_positives(distances_between(*embedded.sides(direction)), *turned)
        found[direction] = float(np.mean([r_precision(each) for each in ranks]))
    return found


def _ambiguity(embedded: Embedded, matches: Positives) -> dict[str, AmbiguityCorrelation]:
    return {
        "images": ambiguity_correlation(telling_sigma(embedded.images), matches.transposed().counts),
        "texts": ambiguity_correlation(telling_sigma(embedded.texts), matches.counts),
    }


def _reliability(embedded: Embedded, encoder: Encoder, matches: Positives) -> dict[str, Any]:
    """Of the raw probability and, where there is a calibration, of the calibrated, mean-only and candidate ones.

    Over the shortlists of the queries, which is what a search gives probabilities to.
    """
    shown: dict[str, Any] = {}
    for direction in Direction:
        pairs = shortlisted(embedded, direction, matches)

        # The chosen heads are among the candidates, and are judged once.
        @cache
        def judged(head: MatchHead, pairs: Pairs = pairs) -> dict[str, Any]:
            return asdict(reliability(pairs.probabilities(head), pairs.match, pairs.counts))

        row = {
            "pairs": pairs.match.numel(),
            "matches": pairs.matches,
            "share": pairs.share,
            "raw": judged(encoder.match),
        }
        if (found := encoder.calibration) is not None:
            row["calibrated"] = judged(found.heads[direction])
            row["calibrated_mean_only"] = judged(found.mean_only_heads[direction])
            row |= _told_the_share(found, direction, pairs, judged)
            candidates = found.candidates.get(direction, {})
            row["candidates"] = {name: judged(head) for name, head in candidates.items()}
        shown[str(direction)] = row
    return shown


def _told_the_share(
    calibration: Calibration, direction: Direction, pairs: Pairs, judged: Callable[[MatchHead], dict[str, Any]]
) -> dict[str, Any]:
    """The same two probabilities told one number of the judged collection: the share of its pairs that match."""
    try:
        told = calibration.for_share(pairs.share)
    except ValueError:
        return {}
    return {
        "calibrated_told_share": judged(told.heads[direction]),
        "calibrated_mean_only_told_share": judged(told.mean_only_heads[direction]),
    }


def recall_1_of_exact(ranks: Ranks) -> float:
    """Recall@1, by the ranks of all that is true, of the queries that one item alone matches."""
    exact = np.flatnonzero(ranks.counts == 1)
    return float((ranks.values[ranks.offsets[exact]] == 0).mean()) if len(exact) else float("nan")
