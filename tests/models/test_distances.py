"""Distances between Gaussians against torch.distributions, quadrature, float64 loops and the reference values."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import Reference
from scipy.integrate import quad
from torch.distributions import Independent, Normal, kl_divergence

from models import distances
from models.gaussian import Gaussian

SYMMETRIC = [
    distances.squared_l2,
    distances.expected_squared,
    distances.wasserstein_squared,
    distances.jeffreys,
    distances.bhattacharyya,
    distances.negative_log_expected_likelihood,
]


def pair(seed: int, dim: int = 5) -> tuple[Gaussian, Gaussian]:
    """Two batches that broadcast to [3, 4]."""
    g = torch.Generator().manual_seed(seed)
    draw = [torch.randn(n, 1, dim, generator=g, dtype=torch.float64) for n in (3, 3, 4, 4)]
    x = Gaussian(draw[0], draw[1])
    return x, Gaussian(draw[2].transpose(0, 1), draw[3].transpose(0, 1))


def normal(x: Gaussian) -> Independent:
    """The same Gaussian as torch.distributions has it."""
    return Independent(Normal(x.mean, x.std), 1)


@given(st.integers(0, 10_000))
def test_kl_is_that_of_torch(seed: int) -> None:
    """KL in both directions, their sum, and KL to the standard normal agree with torch.distributions."""
    x, y = pair(seed)
    forth, back = kl_divergence(normal(x), normal(y)), kl_divergence(normal(y), normal(x))
    torch.testing.assert_close(distances.kl(x, y), forth)
    torch.testing.assert_close(distances.jeffreys(x, y), forth + back)
    zero = torch.zeros_like(x.mean)
    torch.testing.assert_close(
        distances.kl_to_standard_normal(x), kl_divergence(normal(x), Independent(Normal(zero, zero + 1), 1))
    )


@given(st.integers(0, 10_000))
def test_expected_likelihood_is_the_density_of_the_difference(seed: int) -> None:
    """−log ∫ x y is −log N(Δ; 0, s + t), computed by torch.distributions."""
    x, y = pair(seed)
    density = Independent(Normal(torch.zeros(()).double(), (x.variance + y.variance).sqrt()), 1)
    torch.testing.assert_close(distances.negative_log_expected_likelihood(x, y), -density.log_prob(x.mean - y.mean))


def test_overlap_integrals_by_quadrature() -> None:
    """In one dimension Bhattacharyya and expected likelihood are integrals that quadrature can do."""
    x = Gaussian(torch.tensor([0.3]).double(), torch.tensor([-0.5]).double())
    y = Gaussian(torch.tensor([-0.8]).double(), torch.tensor([0.7]).double())
    p, q = (Normal(g.mean[0], g.std[0]) for g in (x, y))

    def density(which: Normal, z: float) -> float:
        return float(which.log_prob(torch.tensor(z).double()).exp())

    overlap = quad(lambda z: math.sqrt(density(p, z) * density(q, z)), -15, 15)[0]
    assert float(distances.bhattacharyya(x, y)) == pytest.approx(-math.log(overlap), rel=1e-6)
    product = quad(lambda z: density(p, z) * density(q, z), -15, 15)[0]
    assert float(distances.negative_log_expected_likelihood(x, y)) == pytest.approx(-math.log(product), rel=1e-6)


def test_expected_squared_distance_by_sampling() -> None:
    """E‖z − z'‖² is the mean over many independent samples."""
    x, y = pair(7)
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 100_000, 5, generator=g, dtype=torch.float64)
    points = x.sample(noise[0]) - y.sample(noise[1])
    torch.testing.assert_close(distances.expected_squared(x, y), points.square().sum(-1).mean(-1), rtol=0.02, atol=0)


def test_wasserstein_of_points_and_of_equal_means() -> None:
    """Between equal covariances it is plain squared L2; between equal means the squared distance of the σ's."""
    x, y = pair(3)
    same = Gaussian(y.mean, torch.zeros_like(y.mean)), Gaussian(y.mean + 1, torch.zeros_like(y.mean))
    torch.testing.assert_close(distances.wasserstein_squared(*same), torch.full((1, 4), 5.0).double())
    shifted = Gaussian(x.mean, x.log_variance + 2 * math.log(3))
    torch.testing.assert_close(distances.wasserstein_squared(x, shifted), 4 * x.total_variance)


@pytest.mark.parametrize("distance", SYMMETRIC)
def test_symmetric_distances_broadcast_and_do_not_mind_the_order(distance: object) -> None:
    """d(x, y) = d(y, x) with the batch shapes broadcast."""
    x, y = pair(11)
    there = distance(x, y)  # type: ignore[operator]
    assert there.shape == (3, 4)
    torch.testing.assert_close(there, distance(y, x))  # type: ignore[operator]


@pytest.mark.parametrize("distance", [distances.kl, distances.jeffreys, distances.bhattacharyya])
def test_divergences_vanish_only_between_equals(distance: object) -> None:
    """Zero from a Gaussian to itself, positive to another."""
    x, y = pair(13)
    torch.testing.assert_close(distance(x, x), torch.zeros(3, 1).double())  # type: ignore[operator]
    assert (distance(x, y) > 0).all()  # type: ignore[operator]


def test_pairwise_squared_l2_is_the_broadcast_one() -> None:
    """The matrix product gives what the difference gives, and never less than zero."""
    g = torch.Generator().manual_seed(5)
    x, y = torch.randn(2, 6, 3, generator=g).double(), torch.randn(2, 4, 3, generator=g).double()
    expected = (x[:, :, None] - y[:, None]).square().sum(-1)
    torch.testing.assert_close(distances.pairwise_squared_l2(x, y), expected)
    near = torch.full((1, 3), 1000.1)
    assert (distances.pairwise_squared_l2(near, near) >= 0).all()


@pytest.mark.shared
def test_reference_values(shared: Path) -> None:
    """Agrees with PCME's own distances (similarities there), whose log σ is half our log-variance.

    Theirs leave constants out: 2π in the expected likelihood; their Jeffreys is −2 times ours − 2 dim.
    """
    values = Reference(shared / "reference")
    x, y = (
        Gaussian(values[f"match/{side}_mean"].double(), 2 * values[f"match/{side}_logsigma"].double())
        for side in ("image", "text")
    )
    x, y = x[:, None], y[None]

    def assert_agrees(name: str, ours: torch.Tensor) -> None:
        torch.testing.assert_close(-ours.float(), values[f"distance/{name}_dist"], rtol=1e-5, atol=1e-5)

    assert_agrees("l2", distances.squared_l2(x, y))
    assert_agrees("wasserstein", distances.wasserstein_squared(x, y))
    assert_agrees("bhattacharyya", distances.bhattacharyya(x, y))
    constant = x.dim / 2 * math.log(2 * math.pi)
    assert_agrees("elk", distances.negative_log_expected_likelihood(x, y) - constant)
    assert_agrees("js", 2 * distances.jeffreys(x, y) + 2 * x.dim)


def test_the_closest_of_several_points_counts() -> None:
    """[n, m] by loops over all pairs of points; with one point an item it is the plain distance."""
    g = torch.Generator().manual_seed(0)
    x, y = (Gaussian(*torch.randn(2, n, 3, 5, generator=g, dtype=torch.float64)) for n in (4, 6))
    expected = [
        [min(float((p - q).square().sum()) for p in x.mean[i] for q in y.mean[j]) for j in range(6)] for i in range(4)
    ]
    torch.testing.assert_close(distances.closest_squared_l2(x, y), torch.tensor(expected, dtype=torch.float64))
    single, other = x[:, 0], y[:, 0]
    torch.testing.assert_close(
        distances.closest_squared_l2(single, other), distances.pairwise_squared_l2(single.mean, other.mean)
    )
    assert distances.closest_squared_l2(single, other[:0]).shape == (4, 0)


def test_the_expected_squared_distance_of_all_pairs_is_that_of_each() -> None:
    """By matrix products as by broadcasting."""
    g = torch.Generator().manual_seed(0)
    x, y = (Gaussian(*torch.randn(2, n, 8, generator=g, dtype=torch.float64)) for n in (4, 5))
    each = distances.expected_squared(Gaussian(x.mean[:, None], x.log_variance[:, None]), y)
    torch.testing.assert_close(distances.pairwise_expected_squared(x, y), each)
