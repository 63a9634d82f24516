"""The simulated server against queueing theory, and what galleries are said to need."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.capacity import NODE_FILL, NODE_GIB, SIZES, need
from benchmarks.queueing import arrivals, measure, simulate, sustained

MANY = 200_000


def exponential(mean: float) -> list[float]:
    return np.random.default_rng(1).exponential(mean, MANY).tolist()


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_one_searcher_is_a_queue_of_theory(load: float) -> None:
    """With exponential service times (M/M/1) queries are in the server for 1 / (μ − λ) seconds in the mean; with
    constant ones (M/D/1) they wait half as long as those (Pollaczek and Khinchine)."""
    rng = np.random.default_rng(0)
    coming = arrivals(load, MANY, rng)
    assert simulate(coming, exponential(1.0), 1, rng).mean() == pytest.approx(1 / (1 - load), rel=0.06)
    assert simulate(coming, [1.0], 1, rng).mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.03)


def test_two_searchers_are_a_queue_of_theory() -> None:
    """M/M/2 at load ρ: 1 / (1 − ρ²) service times in the mean (Erlang)."""
    rng = np.random.default_rng(0)
    coming = arrivals(2 * 0.7, MANY, rng)
    assert simulate(coming, exponential(1.0), 2, rng).mean() == pytest.approx(1 / (1 - 0.7**2), rel=0.05)


def test_the_rate_that_is_sustained() -> None:
    """It meets the limit, a tenth more does not; none does where a query alone takes longer."""
    service = exponential(0.01)
    rate = sustained(service, 1, 0.1)
    # 95 % of M/M/1 are answered within ln 20 / (μ − λ).
    assert rate == pytest.approx(100 - np.log(20) / 0.1, rel=0.05)
    assert sustained([0.2], 1, 0.1) < 0.1


def test_a_real_queue_is_measured_from_when_queries_come() -> None:
    """A query that waits for another counts its wait; what it was served for is apart."""
    took, served = measure(np.array([0.0, 0.0]), lambda _: sum(range(200_000)), 1)
    assert took[1] >= served[0] + served[1] - 1e-3
    assert (served > 0).all()


def test_what_is_needed_grows_with_the_items() -> None:
    """Memory and disk are in proportion; as many machines as hold the memory, filled as far as they may be."""
    needs = [need(items, 800) for items in SIZES]
    assert [each.memory / needs[0].memory for each in needs] == pytest.approx([1, 100, 10_000])
    for each in needs:
        assert 0 <= each.nodes * NODE_GIB * NODE_FILL - each.memory < NODE_GIB * NODE_FILL
