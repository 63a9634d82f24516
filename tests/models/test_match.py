"""Match probability against brute force, against the limit of many samples, and against the reference values."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import Reference
from torch import Tensor

from models.gaussian import Gaussian
from models.match import MatchHead, Noise, TraceTerm, closed_form, distance_moments, pairwise_sample_distances, sampled


def gallery(seed: int, n: int = 12, dim: int = 32, log_variance: float = -5.0) -> tuple[Gaussian, Gaussian]:
    """A query [dim] and items [n, dim] on the unit sphere, with varied variances."""
    g = torch.Generator().manual_seed(seed)
    means = torch.nn.functional.normalize(torch.randn(n + 1, dim, generator=g), dim=-1)
    log_variances = log_variance + torch.randn(n + 1, 1, generator=g) + 0.3 * torch.randn(n + 1, dim, generator=g)
    both = Gaussian(means, log_variances)
    return both[0], both[1:]


def brute_force(query: Gaussian, items: Gaussian, head: MatchHead, noise: Noise) -> Tensor:
    """The published formula in float64 loops: the [n, J, J] table of logistic values."""
    x, q = items.to(dtype=torch.float64), query.to(dtype=torch.float64)
    tables = []
    for i in range(len(x)):
        t, u = q.total_variance, x[i].total_variance
        t, u = (min(max(v, term.least), term.most or v) for v, term in ((float(t), head.query), (float(u), head.item)))
        t, u = (t - head.query.centre) / head.query.unit, (u - head.item.centre) / head.item.unit
        offset = head.shift + head.query.slope * t + head.query.curve * t**2
        offset = offset + head.item.slope * u + head.item.curve * u**2
        scale = head.scale * math.exp(head.steepness[0] * t + head.steepness[1] * t**2)
        rows = []
        for e in noise.query.double():
            z = q.mean + q.std * e
            distances = [((x[i].mean + x[i].std * h - z).square().sum() + 1e-6).sqrt() for h in noise.item.double()]
            rows.append(torch.sigmoid(offset - scale * torch.stack(distances)))
        tables.append(torch.stack(rows))
    return torch.stack(tables)


@given(st.integers(0, 10_000), st.floats(1, 40), st.floats(0, 40), st.floats(-3, 3), st.floats(-3, 3))
def test_sampled_is_the_published_formula(seed: int, scale: float, shift: float, c_q: float, c_x: float) -> None:
    """Matrix products give the broadcast formula's values within 1e-5, terms, their limits and steepness included."""
    query, items = gallery(seed, n=4, dim=8)
    terms = TraceTerm(c_q, c_x / 2, 0.05, 1.0, 0.3, 0.5), TraceTerm(c_x, c_q / 3, 0.0, 0.5, 0.1, 2.0)
    head = MatchHead(scale, shift, *terms, steepness=(c_x / 3, c_q / 4))
    noise = Noise.draw(8, 3, seed)
    expected = brute_force(query, items, head, noise).mean((-1, -2))
    torch.testing.assert_close(sampled(query, items, head, noise).value.double(), expected, atol=1e-5, rtol=0)


def test_an_item_does_not_feel_the_others() -> None:
    """A probability depends on query, item, samples and seed alone: not on the shortlist and its order."""
    query, items = gallery(3, n=50)
    head, noise = MatchHead(10.0, 8.0), Noise.draw(32, 7, 0)
    whole = sampled(query, items, head, noise).value
    chosen = torch.tensor([31, 4, 17])
    torch.testing.assert_close(sampled(query, items[chosen], head, noise).value, whole[chosen], atol=1e-6, rtol=0)


def test_noise_comes_from_its_seed_alone() -> None:
    """The same seed gives the same noise whatever torch's global generator did; another seed another."""
    first = Noise.draw(8, 7, 5)
    torch.rand(100)
    again = Noise.draw(8, 7, 5)
    assert torch.equal(first.query, again.query)
    assert torch.equal(first.item, again.item)
    assert not torch.equal(first.item, Noise.draw(8, 7, 6).item)
    assert not torch.equal(first.item, first.query)


def test_standard_error_tells_the_spread_over_seeds() -> None:
    """Over 400 seeds the probability scatters about as much as its standard error says (within a quarter)."""
    query, items = gallery(1, n=6, log_variance=-4.0)
    head = MatchHead(10.0, 13.0)
    draws = [sampled(query, items, head, Noise.draw(32, 7, seed)) for seed in range(400)]
    scatter = torch.stack([draw.value for draw in draws]).std(0)
    told = torch.stack([draw.standard_error for draw in draws]).square().mean(0).sqrt()
    assert ((told / scatter - 1).abs() < 0.25).all()


def test_one_sample_a_side_has_no_standard_error() -> None:
    """A spread cannot come from one sample: not a number rather than a comforting zero."""
    query, items = gallery(1)
    assert sampled(query, items, MatchHead(10.0, 8.0), Noise.draw(32, 1, 0)).standard_error.isnan().all()


@pytest.mark.parametrize("scale", [5.0, 15.0])
@pytest.mark.parametrize("log_variance", [-8.0, -5.0, -3.0])
def test_closed_form_is_the_limit_of_many_samples(scale: float, log_variance: float) -> None:
    """Within 0.01 of 1,500 × 1,500 samples, from collapsed to large variances."""
    query, items = gallery(4, log_variance=log_variance)
    head = MatchHead(scale, scale, TraceTerm(0.2, -0.01), TraceTerm(-0.3, 0.02), steepness=(0.1, -0.05))
    limit = sampled(query, items, head, Noise.draw(32, 1_500, 0)).value
    torch.testing.assert_close(closed_form(query[None], items, head)[0], limit, atol=0.01, rtol=0)


@given(st.integers(0, 10_000))
def test_moments_of_the_squared_distance(seed: int) -> None:
    """The expanded moments are those of the sum over dimensions of scaled non-central χ², in float64 loops."""
    query, items = (g.to(dtype=torch.float64) for g in gallery(seed, n=5, dim=6))
    mean, variance = distance_moments(query[None], items)
    s = query.variance + items.variance
    delta = items.mean - query.mean
    m = (delta.square() + s).sum(-1) + 1e-6
    v = (2 * s.square() + 4 * s * delta.square()).sum(-1)
    torch.testing.assert_close(mean[0], m.sqrt() * (1 - v / (8 * m.square())))
    torch.testing.assert_close(variance[0], v / (4 * m))


def test_points_have_the_logistic_of_their_distance() -> None:
    """Without variance both ways give logistic(−a d + b) exactly."""
    query, items = gallery(2, log_variance=-60.0)
    head = MatchHead(7.0, 6.0)
    d = ((items.mean - query.mean).square().sum(-1) + 1e-6).sqrt()
    expected = torch.sigmoid(6.0 - 7.0 * d)
    torch.testing.assert_close(closed_form(query[None], items, head)[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(sampled(query, items, head, Noise.draw(32, 7, 0)).value, expected, atol=1e-5, rtol=0)


@given(st.floats(-1e4, 1e4), st.floats(0.01, 1e4))
def test_probabilities_stay_probabilities(shift: float, scale: float) -> None:
    """No head and no distance overflows: values are finite and in [0, 1]."""
    query, items = gallery(9, dim=4)
    head = MatchHead(scale, shift)
    for value in (closed_form(query[None], items, head), sampled(query, items, head, Noise.draw(4, 3, 0)).value):
        assert bool(((value >= 0) & (value <= 1)).all())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["plain", "coco", "cub"])
def test_reference_probabilities(shared: Path, name: str) -> None:
    """On the reference's own samples; its logistic function doubles the argument."""
    values = Reference(shared / "reference")
    setting = values.settings[f"match/{name}"]
    points = [
        Gaussian(values[f"match/{side}_mean"].double(), 2 * values[f"match/{side}_logsigma"].double()).sample(
            values[f"match/{side}_noise"].double()
        )
        for side in ("image", "text")
    ]
    scale, shift = 2 * setting["init_negative_scale"], 2 * setting["init_shift"]
    probability = torch.sigmoid(shift - scale * pairwise_sample_distances(*points)).mean((-1, -2))
    torch.testing.assert_close(probability.float(), values[f"match/{name}/probability"], rtol=1e-5, atol=0)


def test_a_nan_is_not_hidden() -> None:
    """A broken embedding shows as not a number instead of a plausible probability."""
    query, items = gallery(2)
    broken = Gaussian(items.mean * math.nan, items.log_variance)
    assert closed_form(query[None], broken, MatchHead(1.0, 0.0)).isnan().all()
