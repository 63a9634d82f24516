"""Every item ranked: against sorting all by brute force, and against a shortlist of everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from index.gaussians.exhaustive import every_probability, most_probable
from index.gaussians.storage import BLOCK, StoredGaussians
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form

HEAD = MatchHead(4.0, 9.0, item=TraceTerm(0.3))
DIM = 6


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, DIM, generator=generator), torch.randn(n, DIM, generator=generator) - 2)


def stored(gaussians: Gaussian) -> StoredGaussians:
    return StoredGaussians(gaussians.mean.numpy(), gaussians.log_variance.numpy())


def brute_force(query: Gaussian, items: Gaussian, values: list[float]) -> list[int]:
    distances = ((items.mean - query.mean) ** 2).sum(-1).tolist()
    return sorted(range(len(values)), key=lambda row: (-values[row], distances[row], row))


@pytest.mark.parametrize("count", [0, 1, BLOCK, 2 * BLOCK + 7])
def test_probabilities_are_those_of_the_closed_form(count: int) -> None:
    """Block by block they are what all at once have, one block, several and none."""
    query, items = draw(1, 0)[0], draw(count, 1)
    found = every_probability(query, stored(items), HEAD)
    torch.testing.assert_close(found, closed_form(query[None], items, HEAD)[0], rtol=1e-5, atol=1e-7)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=40), st.integers(1, 50))
def test_the_most_probable_come_first(values: list[float], k: int) -> None:
    """In the order of all by probability, then distance, then row, also where the cut goes through ties."""
    query, items = draw(1, 0)[0], draw(len(values), 2)
    items = Gaussian(items.mean.round(), items.log_variance)
    found = most_probable(query, stored(items), torch.tensor(values), k)
    assert found.rows.tolist() == brute_force(query, items, values)[:k]
    expected = ((items.mean - query.mean) ** 2).sum(-1)[found.rows]
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-5)


def test_it_is_a_shortlist_of_everything(gallery_of: Callable[..., Gallery]) -> None:
    """The items, their order and the sum are those of the closed form with every item in the shortlist."""
    retriever = Retriever(gallery_of(draw(50, 3), draw(3, 4)), HEAD)
    for seed in range(20):
        query, options = draw(1, seed)[0], SearchOptions(3 * seed + 1, 50, Rerank.CLOSED_FORM)
        whole = retriever.search(query, Direction.TEXT_TO_IMAGE, options)
        options = replace(options, shortlist=1, rerank=Rerank.EXHAUSTIVE)
        every = retriever.search(query, Direction.TEXT_TO_IMAGE, options)
        assert [hit.row for hit in every.hits] == [hit.row for hit in whole.hits]
        assert every.ranked == 50
        assert every.expected_matches == pytest.approx(whole.expected_matches, rel=1e-5)
        for ours, theirs in zip(every.hits, whole.hits, strict=True):
            assert ours.match_probability == pytest.approx(theirs.match_probability, rel=1e-4)
            assert ours.mean_distance == pytest.approx(theirs.mean_distance, rel=1e-4)


def test_it_finds_what_a_shortlist_loses(gallery_of: Callable[..., Gallery]) -> None:
    """The most probable item is found where its mean is the farthest of all."""
    items = draw(40, 5)
    query = Gaussian(items.mean[0] * 0, items.log_variance[0])
    far = int(items.mean.square().sum(-1).argmax())
    items.log_variance[far] = 1.0
    head = replace(HEAD, item=TraceTerm(2.0))
    retriever = Retriever(gallery_of(items, draw(2, 6)), head)
    options = SearchOptions(top_k=5, shortlist=5, rerank=Rerank.CLOSED_FORM)
    assert far not in [hit.row for hit in retriever.search(query, Direction.TEXT_TO_IMAGE, options).hits]
    every = retriever.search(query, Direction.TEXT_TO_IMAGE, replace(options, rerank=Rerank.EXHAUSTIVE))
    assert every.hits[0].row == far


def test_the_cut_is_read(gallery_of: Callable[..., Gallery]) -> None:
    """Items below the probability asked for are left out; the sum is over all the same."""
    retriever = Retriever(gallery_of(draw(40, 5), draw(2, 6)), HEAD)
    options = SearchOptions(top_k=10, rerank=Rerank.EXHAUSTIVE)
    query = draw(1, 9)[0]
    whole = retriever.search(query, Direction.TEXT_TO_IMAGE, options)
    least = whole.hits[3].match_probability
    cut = retriever.search(query, Direction.TEXT_TO_IMAGE, replace(options, min_match_probability=least))
    assert [hit.row for hit in cut.hits] == [hit.row for hit in whole.hits[:4]]
    assert cut.expected_matches == whole.expected_matches
