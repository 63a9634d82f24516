"""Positives and ranking metrics against plain loops, and against the ECCV Caption benchmark's own evaluator."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from corpus.manifest import Entry
from evaluation import positives as positives_module
from evaluation.metrics import (
    average_precision_at_r,
    first_ranks,
    map_at_r,
    median_rank,
    precision_at_r,
    r_precision,
    recall_at,
)
from evaluation.positives import Bools, Floats, Positives, Ranks, rank_positives
from evaluation.protocols import Embedded, quality_in_folds
from models.calibration import Direction
from models.distances import pairwise_squared_l2
from models.gaussian import Gaussian

with warnings.catch_warnings():
    # It would rather have ujson.
    warnings.simplefilter("ignore")
    import eccv_caption


def ranked(distances: Floats, relevant: Bools) -> Ranks:
    """Ranks of the positives in a table."""
    return rank_positives(lambda block: distances[block], Positives.of_mask(relevant))[0]


def random_case(seed: int) -> tuple[Floats, Bools]:
    """Distances with many ties, some of them negative, and relevance with at least one empty row."""
    rng = default_rng(seed)
    distances = rng.integers(-3, 6, (7, 11)).astype(float)
    relevant = rng.random((7, 11)) < 0.3
    relevant[0] = False
    return distances, relevant


@given(st.integers(0, 10_000))
def test_metrics_by_loops(seed: int) -> None:
    """As plain loops compute them; ties by index; what nothing matches is left out."""
    distances, relevant = random_case(seed)
    firsts, precisions, averages = [], [], []
    for row in np.flatnonzero(relevant.any(axis=1)):
        ranking = sorted(range(11), key=lambda item, row=row: (distances[row, item], item))
        hits = [bool(relevant[row, item]) for item in ranking]
        total = sum(hits)
        firsts.append(hits.index(True))
        precisions.append(sum(hits[:total]) / total)
        averages.append(sum(sum(hits[: r + 1]) / (r + 1) for r in range(total) if hits[r]) / total)
    ranks = ranked(distances, relevant)
    assert first_ranks(ranks).tolist() == firsts
    kept = relevant.any(axis=1)
    np.testing.assert_allclose(precision_at_r(ranks)[kept], precisions)
    np.testing.assert_allclose(average_precision_at_r(ranks)[kept], averages)
    assert np.isnan(precision_at_r(ranks)[0])
    assert np.isnan(average_precision_at_r(ranks)[0])
    if not firsts:
        return
    for k in (1, 5, 10):
        assert recall_at(ranks, k) == pytest.approx(np.mean([first < k for first in firsts]))
    assert median_rank(ranks) == np.median([first + 1 for first in firsts])
    assert r_precision(ranks) == pytest.approx(np.mean(precisions))
    assert map_at_r(ranks) == pytest.approx(np.mean(averages))


@given(st.integers(0, 10_000))
def test_only_the_order_matters(seed: int) -> None:
    """A monotone change of the distances changes nothing; negative distances are distances."""
    distances, relevant = random_case(seed)
    assert np.array_equal(ranked(distances, relevant).values, ranked(np.exp(distances) - 100, relevant).values)


def test_a_perfect_ranking_is_perfect() -> None:
    """Relevant items first: everything is one."""
    relevant = np.eye(5, dtype=bool) | np.eye(5, k=1, dtype=bool)
    ranks = ranked(-relevant.astype(float), relevant)
    assert r_precision(ranks) == map_at_r(ranks) == recall_at(ranks, 1) == median_rank(ranks) == 1.0


def test_nothing_to_rank_is_no_number() -> None:
    """Means over no query are nan, and nothing is raised."""
    ranks = ranked(np.zeros((3, 4)), np.zeros((3, 4), dtype=bool))
    assert all(np.isnan(figure(ranks)) for figure in (r_precision, map_at_r, median_rank))
    assert np.isnan(recall_at(ranks, 1))


@given(st.integers(0, 10_000))
def test_blocks_change_nothing(seed: int) -> None:
    """Ranking a few queries at a time gives the ranks of ranking all at once; progress reaches the end."""
    distances, relevant = random_case(seed)
    other = Positives.of_mask(~relevant)
    told: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positives_module, "BLOCK_CELLS", 25)
        both = rank_positives(
            lambda block: distances[block],
            Positives.of_mask(relevant),
            other,
            progress=lambda done, total: told.append((done, total)),
        )
    assert told == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert np.array_equal(both[0].values, ranked(distances, relevant).values)
    assert np.array_equal(both[1].values, ranked(distances, ~relevant).values)


@given(st.integers(0, 10_000))
def test_positives_are_a_table_in_another_form(seed: int) -> None:
    """To and from a table, turned round, cut out, and from groups: as numpy does it."""
    rng = default_rng(seed)
    table = rng.random((6, 9)) < 0.3
    made = Positives.of_mask(table)
    assert np.array_equal(made.mask(), table)
    assert np.array_equal(made.transposed().mask(), table.T)
    rows, columns = rng.permutation(6)[:4], rng.permutation(9)[:5]
    assert np.array_equal(made.mask(rows), table[rows])
    assert np.array_equal(made.take(rows, columns).mask(), table[np.ix_(rows, columns)])
    listed = Positives.of([[*row, *row[:1]] for row in (np.flatnonzero(line)[::-1] for line in table)], 9)
    assert np.array_equal(listed.mask(), table)
    queries, items = rng.integers(0, 4, 6), rng.integers(0, 4, 9)
    assert np.array_equal(Positives.of_groups(queries, items).mask(), queries[:, None] == items)


@dataclass(frozen=True)
class Universe:
    """A part of the COCO test set, embedded at random, with its ids and with the benchmark's own evaluator on it."""

    images: list[int]
    captions: list[int]
    embedded: Embedded
    distances: Floats
    evaluator: Any
    rankings: dict[str, dict[int, list[int]]]

    def ranks(self, table: dict[str, dict[int, list[int]]], asked: str) -> Ranks:
        """Ours, by a table of the benchmark."""
        queries, items = (self.captions, self.images) if asked == "t2i" else (self.images, self.captions)
        distances = self.distances if asked == "t2i" else self.distances.T
        place = {item: row for row, item in enumerate(items)}
        rows = [[place[item] for item in table[asked].get(query, ())] for query in queries]
        return rank_positives(lambda block: distances[block], Positives.of(rows, len(items)))[0]


@pytest.fixture(scope="module")
def universe() -> Universe:
    """The first 600 images that ECCV Caption asks about or mentions, with their captions, ranked at random."""
    evaluator = eccv_caption.Metrics()
    whole = evaluator.coco_gts
    images = list(dict.fromkeys([*evaluator.eccv_gts["i2t"], *whole["i2t"]]))[:600]
    captions = [caption for image in images for caption in whole["i2t"][image]]
    for table in (evaluator.coco_gts, evaluator.cxc_gts, evaluator.eccv_gts):
        table["i2t"] = _within(table["i2t"], images, captions)
        table["t2i"] = _within(table["t2i"], captions, images)
    evaluator.coco_ids = np.array(captions)
    # Whole numbers, whose squared distances are exact, so that every way to compute them gives the same order.
    rng = default_rng(0)
    means = [torch.from_numpy(rng.integers(0, 60, (count, 8)).astype(np.float32)) for count in (600, 3000)]
    entries = [Entry(str(image), Path("x.png"), tuple(map(str, whole["i2t"][image]))) for image in images]
    embedded = Embedded(entries, *(Gaussian(mean, torch.zeros_like(mean)) for mean in means))
    distances = pairwise_squared_l2(embedded.texts.mean, embedded.images.mean).numpy()
    rankings = {"t2i": _ranking(distances, captions, images), "i2t": _ranking(distances.T, images, captions)}
    return Universe(images, captions, embedded, distances, evaluator, rankings)


def _within(table: dict[int, list[int]], queries: Sequence[int], items: Sequence[int]) -> dict[int, list[int]]:
    """The part of a table that speaks of given queries and items alone."""
    known = {*items}
    cut = {query: [item for item in table[query] if item in known] for query in queries if query in table}
    return {query: found for query, found in cut.items() if found}


def _ranking(distances: Floats, queries: Sequence[int], items: Sequence[int]) -> dict[int, list[int]]:
    orders = np.array(items)[np.argsort(distances, axis=1, kind="stable")]
    return dict(zip(queries, orders.tolist(), strict=True))


@pytest.mark.parametrize("asked", ["t2i", "i2t"])
@pytest.mark.parametrize("benchmark", ["coco", "cxc", "eccv"])
def test_recalls_are_those_of_the_benchmark(universe: Universe, benchmark: str, asked: str) -> None:
    """COCO 5K, CxC and ECCV Caption."""
    table = getattr(universe.evaluator, f"{benchmark}_gts")
    name = "coco_5k_recalls" if benchmark == "coco" else f"{benchmark}_recalls"
    for k in (1, 5, 10):
        expected = getattr(universe.evaluator, name)(universe.rankings, asked, K=k)[asked]
        assert recall_at(universe.ranks(table, asked), k) == pytest.approx(expected, abs=1e-12)


def test_recalls_in_five_folds_are_those_of_the_benchmark(universe: Universe) -> None:
    """COCO 1K, on fifths of the part."""
    found = quality_in_folds(universe.embedded, 5)
    for k in (1, 5, 10):
        expected = universe.evaluator.coco_1k_recalls(universe.rankings, "all", K=k)
        for direction, name in ((Direction.TEXT_TO_IMAGE, "t2i"), (Direction.IMAGE_TO_TEXT, "i2t")):
            assert getattr(found[direction], f"recall_{k}") == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.parametrize("asked", ["t2i", "i2t"])
def test_map_and_precision_at_r_are_those_of_the_benchmark(universe: Universe, asked: str) -> None:
    """ECCV Caption's mAP@R, R-Precision and R@1."""
    expected = universe.evaluator.eccv_metrics(universe.rankings, asked)
    ranks = universe.ranks(universe.evaluator.eccv_gts, asked)
    assert map_at_r(ranks) == pytest.approx(expected["eccv_map_at_r"][asked], abs=1e-12)
    assert r_precision(ranks) == pytest.approx(expected["eccv_rprecision"][asked], abs=1e-12)
    assert recall_at(ranks, 1) == pytest.approx(expected["eccv_r1"][asked], abs=1e-12)
