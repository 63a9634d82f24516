"""The plane of a query and its answers, against scikit-learn's PCA and against dense covariances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from index.searching.projection import Projection, Spot, project
from models.gaussian import Gaussian

DIM = 6


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(n, DIM, generator=generator) - 3)


def places(found: Projection) -> npt.NDArray[np.float64]:
    return np.array([(spot.x, spot.y) for spot in (found.query, *found.items)])


def dense(spot: Spot) -> npt.NDArray[np.float64]:
    xx, xy, yy = spot.covariance
    return np.array([[xx, xy], [xy, yy]])


@given(n=st.integers(2, 30), seed=st.integers(0, 999))
def test_the_plane_is_that_of_scikit_learn(n: int, seed: int) -> None:
    """Places, the share explained and P Σ Pᵀ with a dense Σ are those of PCA of query and answers together."""
    query, items = draw(1, seed)[0], draw(n, seed + 1_000)
    means = torch.cat([query.mean[None], items.mean]).double().numpy()
    oracle = PCA(2, svd_solver="full").fit(means)
    found = project(query, items)
    np.testing.assert_allclose(places(found), oracle.transform(means), atol=1e-9)
    assert found.explained == pytest.approx(oracle.explained_variance_ratio_.sum())
    for spot, each in zip((found.query, *found.items), (query, *items), strict=True):
        covariance = oracle.components_ @ np.diag(each.variance.double().numpy()) @ oracle.components_.T
        np.testing.assert_allclose(dense(spot), covariance, atol=1e-6)


def test_the_order_of_the_answers_changes_nothing() -> None:
    """Answers in another order have the same places and ellipses, in that order."""
    query, items = draw(1, 0)[0], draw(9, 1)
    one, other = project(query, items), project(query, items[list(range(8, -1, -1))])
    np.testing.assert_allclose(places(one)[1:], places(other)[:0:-1], atol=1e-12)
    np.testing.assert_allclose(dense(one.items[0]), dense(other.items[8]), atol=1e-12)


def test_one_answer_spans_a_line() -> None:
    """Both means lie on the first axis, as far apart as they are, and the second shows what variance is left."""
    query, items = draw(1, 2)[0], draw(1, 3)
    found = project(query, items)
    (x, y), (other_x, other_y) = places(found)
    assert abs(x - other_x) == pytest.approx(float((query.mean - items.mean).norm()), abs=1e-6)
    assert (y, other_y, found.explained) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert all(np.linalg.eigvalsh(dense(spot)).min() > 0 for spot in (found.query, *found.items))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_equal_means_lie_at_the_origin(n: int) -> None:
    """Without answers, or with answers of the same mean, the two widest dimensions are shown, and nothing is lost."""
    log_variance = torch.tensor([-5.0, -1.0, -4.0, -2.0, -6.0, -3.0])
    query = Gaussian(draw(1, 4).mean[0], log_variance)
    found = project(query, Gaussian(query.mean.expand(n, DIM), log_variance.expand(n, DIM)))
    assert found.explained == 1
    assert len(found.items) == n
    np.testing.assert_allclose(places(found), 0, atol=1e-9)
    for spot in (found.query, *found.items):
        np.testing.assert_allclose(dense(spot), np.diag(np.exp([-1.0, -2.0])), atol=1e-6)
