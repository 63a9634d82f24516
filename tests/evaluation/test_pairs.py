"""Shortlists of queries against a loop over all distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from corpus.manifest import Entry
from evaluation import pairs as pairs_module
from evaluation.pairs import SHORTLIST, shortlisted
from evaluation.positives import Positives
from evaluation.protocols import Embedded
from index.shortlists.tuning import LEAST_SIZE
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form


def collection(images: int, dim: int = 5) -> tuple[Embedded, Positives]:
    """Two captions an image, matches drawn at random."""
    g = torch.Generator().manual_seed(0)
    sides = [Gaussian(torch.randn(n, dim, generator=g), torch.randn(n, dim, generator=g)) for n in (images, 2 * images)]
    entries = [Entry(str(i), Path("x.png"), ("one", "two")) for i in range(images)]
    matches = Positives.of_mask(default_rng(0).random((2 * images, images)) < 0.1)
    return Embedded(entries, *sides), matches


@pytest.mark.parametrize("direction", Direction)
def test_shortlists_by_a_loop(direction: Direction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query has its nearest items, the nearest first, with what is known of them and their probabilities."""
    monkeypatch.setattr(pairs_module, "SHORTLIST", 7)
    monkeypatch.setattr("evaluation.positives.BLOCK_CELLS", 100)
    embedded, matches = collection(40)
    table = matches.mask() if direction is Direction.TEXT_TO_IMAGE else matches.mask().T
    queries, items = embedded.sides(direction)
    found = shortlisted(embedded, direction, matches)
    head = MatchHead(2.0, 3.0, TraceTerm(0.1), TraceTerm(-0.2))
    probability = found.probabilities(head)
    for row, query in enumerate(queries.mean.numpy()):
        nearest = np.argsort(((items.mean.numpy() - query) ** 2).sum(1))[:7]
        assert found.near[row].tolist() == nearest.tolist()
        assert found.match[row].tolist() == table[row, nearest].tolist()
        assert found.counts[row] == table[row].sum()
        alone = closed_form(queries[row][None], items[torch.from_numpy(nearest)], head)[0]
        torch.testing.assert_close(probability[row], alone)
    assert found.matches == found.match.sum()
    assert found.share == pytest.approx(table.mean())


def test_the_shortlist_is_that_of_a_search() -> None:
    """What is calibrated is what is shown: as deep as a search looks unless told otherwise."""
    assert LEAST_SIZE == SHORTLIST


def test_weights_fall_with_the_rank() -> None:
    """The discount of DCG, the same for every query, with a mean of 1."""
    embedded, matches = collection(12)
    weight = shortlisted(embedded, Direction.TEXT_TO_IMAGE, matches).weight
    discount = np.array([1 / np.log2(1 + rank) for rank in range(1, 13)])
    assert weight.shape == (24, 12)
    np.testing.assert_allclose(weight[5], discount / discount.mean())


def test_only_so_many_are_asked() -> None:
    """Queries are drawn by the seed, among all of them, and keep their order."""
    embedded, matches = collection(30)
    few, again, other = (
        shortlisted(embedded, Direction.TEXT_TO_IMAGE, matches, seed=seed, queries=9) for seed in (1, 1, 2)
    )
    assert len(few.queries) == 9
    assert torch.equal(few.queries.mean, again.queries.mean)
    assert not torch.equal(few.queries.mean, other.queries.mean)
    places = [int((embedded.texts.mean == mean).all(1).nonzero()[0, 0]) for mean in few.queries.mean]
    assert places == sorted(places)
