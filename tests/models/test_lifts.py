"""Lifted points against brute force: the order of plain L2 is that of the distance with its penalty."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.distances import pairwise_expected_squared, pairwise_squared_l2
from models.gaussian import Gaussian
from models.lifts import expected_penalty, head_penalty, heights, lifted
from models.match import LogVarianceTerm, MatchHead, TraceTerm

DIM = 6


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, DIM, generator=generator, dtype=torch.float64)
    return Gaussian(mean, torch.randn(n, DIM, generator=generator, dtype=torch.float64) - 2)


def by_lift(queries: Gaussian, items: Gaussian, penalties: torch.Tensor) -> torch.Tensor:
    """Squared L2 distances between the lifted points."""
    asked = lifted(queries.mean, torch.zeros(len(queries), dtype=torch.float64))
    return pairwise_squared_l2(asked, lifted(items.mean, heights(penalties)))


@given(st.integers(0, 10_000))
def test_by_total_variance_it_is_the_expected_squared_distance(seed: int) -> None:
    """Lifted by tr Σ, squared distances are the expected ones up to a number for each query: the order is the same."""
    queries, items = draw(3, seed), draw(50, seed + 1)
    expected = pairwise_expected_squared(queries, items)
    apart = expected - by_lift(queries, items, expected_penalty(items))
    torch.testing.assert_close(apart, apart[:, :1].expand_as(apart))
    assert torch.equal(by_lift(queries, items, expected_penalty(items)).argsort(), expected.argsort())


HEADS = (
    MatchHead(9.0, 6.0, TraceTerm(0.4), TraceTerm(-0.8)),
    MatchHead(9.0, 6.0, TraceTerm(0.4), TraceTerm(2.0, -0.3, 0.1, 2.0)),
    MatchHead(20.0, 9.0, TraceTerm(), LogVarianceTerm((0.5, 0.1, -0.4, 0.2, 0.0, 1.0), -2.0, 0.05, -3.0, 3.0)),
)


@given(st.integers(0, 10_000), st.sampled_from(HEADS))
def test_like_the_head_at_its_distance(seed: int, head: MatchHead) -> None:
    """Of two items at the distance that the lift is for, it prefers the one of the greater logit, by the formula."""
    queries, items = draw(1, seed), draw(200, seed + 1)
    expected = pairwise_expected_squared(queries, items)[0]
    middle = expected.median().sqrt()
    logit = head.item.of(items) - head.scale * expected.sqrt()
    near = (expected.sqrt() - middle).abs() < 0.02
    penalty = head_penalty(items, head, float(2 * middle / head.scale))
    order = by_lift(queries, items, penalty)[0][near]
    # −scale/(2·distance) of the squared distance is the logit to first order; the second one is (d − d₀)²·scale/(2·d₀).
    linear = -head.scale / (2 * middle) * order
    error = (linear - linear.mean() - (logit[near] - logit[near].mean())).abs()
    assert not len(error) or error.max() < 2 * head.scale / (2 * middle) * 0.02**2


def test_a_head_of_the_means_lifts_nothing() -> None:
    """Where the head sees the means alone no item is farther than its mean."""
    assert not head_penalty(draw(5, 0), MatchHead(5.0, 4.0, means_alone=True), 1.0).any()


def test_a_head_without_terms_lifts_by_total_variance() -> None:
    """PCME's own head makes nothing of an item's variances but what is in the distance."""
    items = draw(5, 0)
    torch.testing.assert_close(head_penalty(items, MatchHead(5.0, 4.0), 1.3), expected_penalty(items))


def test_heights_start_at_zero() -> None:
    """The item of the least penalty, which may be negative, lies at height 0; no items have no heights."""
    assert heights(torch.tensor([3.0, -1.0, 0.0])).tolist() == [2.0, 0.0, 1.0]
    assert len(heights(torch.empty(0))) == 0
