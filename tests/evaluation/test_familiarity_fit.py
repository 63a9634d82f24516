"""The fit of what is familiar: against scikit-learn, and the promised share of false alarms on Gaussians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from corpus.manifest import Entry
from evaluation.familiarity import familiarise, fit_familiarity, groups_of, shrunk_covariance, whitening_of
from evaluation.protocols import Embedded
from models.calibration import Direction
from models.errors import ConfigError
from models.gaussian import Gaussian

DIM = 8


def drawn(count: int, seed: int, groups: int = 0, width: float = 0.0) -> Gaussian:
    """Correlated normal points; with `groups`, each of so many in turn has its own centre, `width` wide."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((2 * DIM, 2 * DIM)) / 4
    points = rng.standard_normal((count, 2 * DIM)) @ mixing
    if groups:
        points += width * rng.standard_normal((groups, 2 * DIM))[np.arange(count) % groups]
    both = torch.from_numpy(points).float()
    return Gaussian(both[:, :DIM], both[:, DIM:] - 3)


@pytest.mark.parametrize("count", [2, 10, 40, 500])
def test_shrinkage_is_that_of_scikit_learn(count: int) -> None:
    """Ledoit and Wolf's covariance, for fewer and for more points than dimensions."""
    points = torch.from_numpy(np.random.default_rng(count).standard_normal((count, 20)) * np.arange(1, 21))
    centred = points - points.mean(0)
    expected = LedoitWolf(assume_centered=True).fit(centred.numpy()).covariance_
    torch.testing.assert_close(shrunk_covariance(centred), torch.from_numpy(expected))


def test_whitening_whitens() -> None:
    """Of many points the whitened ones have mean zero and covariance one; the matrix is lower triangular."""
    points = torch.from_numpy(np.random.default_rng(0).standard_normal((5_000, 6)) @ np.diag([1, 2, 3, 9, 0.1, 0.01]))
    points[:, 1] += points[:, 0]
    centre, whitening = whitening_of(points)
    white = (points - centre) @ whitening.mT
    torch.testing.assert_close(white.mT.cov(), torch.eye(6, dtype=torch.float64), atol=0.02, rtol=0)
    assert not whitening.triu(1).any()


def test_queries_all_alike_can_be_fitted() -> None:
    """Without any variation the same query is familiar and another one is not."""
    same = Gaussian(torch.ones(200, DIM), torch.zeros(200, DIM))
    known = fit_familiarity(same, np.arange(200))
    assert float(known.typicality(same[0])) == 1.0
    assert bool(known.unlike(Gaussian(same.mean[0] + 0.1, same.log_variance[0])))


@pytest.mark.parametrize("known", [150, 2_000])
def test_false_alarms_are_as_promised(known: int) -> None:
    """Of new queries of the same kind at most 1 % are called unlike, but for chance; with many known, not far fewer."""
    fitted = fit_familiarity(drawn(known, 0), np.arange(known))
    share = float(fitted.unlike(drawn(20_000, 1)).double().mean())
    assert share < 0.015
    assert known == 150 or share > 0.004


def test_what_is_far_is_called_unlike() -> None:
    """Moved in the mean or in the log-variance by ten standard deviations, every query is unlike."""
    fitted, new = fit_familiarity(drawn(2_000, 0), np.arange(2_000)), drawn(100, 1)
    for moved in (Gaussian(new.mean + 10, new.log_variance), Gaussian(new.mean, new.log_variance - 10)):
        assert fitted.unlike(moved).all()
    assert fitted.most_sigma == pytest.approx(float(drawn(2_000, 0).sigma.max()))
    assert fitted.too_uncertain(Gaussian(new.mean, new.log_variance + 10)).all()


def test_unseen_classes_are_what_comes() -> None:
    """With folds over classes queries of other classes raise no more alarms than promised; with others, many more."""
    known, new = drawn(1_200, 0, groups=12, width=0.7), drawn(6_000, 5, groups=60, width=0.7)
    by_class = fit_familiarity(known, np.arange(1_200) % 12)
    by_query = fit_familiarity(known, np.arange(1_200))
    assert float(by_class.unlike(new).double().mean()) < 0.015
    assert float(by_query.unlike(new).double().mean()) > 0.03


def entries(labels: list[str | None], captions: int = 2) -> list[Entry]:
    return [Entry(str(n), Path("x.png"), ("a",) * captions, label) for n, label in enumerate(labels)]


def test_groups() -> None:
    """Classes where each image has one and there are several; otherwise every image is its own."""
    assert groups_of(entries(["b", "a", "b"])).tolist() == [1, 0, 1]
    for labels in (["a", None, "b"], ["a", "a", "a"], [None, None, None]):
        assert groups_of(entries(labels)).tolist() == [0, 1, 2]


def test_both_modalities() -> None:
    """Texts ask in one direction and images in the other; captions of an image are never measured from each other."""
    images = drawn(40, 0)
    twice = Gaussian(images.mean.repeat_interleave(2, 0), images.log_variance.repeat_interleave(2, 0))
    found = familiarise(Embedded(entries([None] * 40), images, twice))
    assert len(found[Direction.IMAGE_TO_TEXT].distances) == 40
    assert len(found[Direction.TEXT_TO_IMAGE].distances) == 80
    apart = fit_familiarity(twice, np.arange(80))
    assert found[Direction.TEXT_TO_IMAGE].distances.mean() > 1.1 * apart.distances.mean()


def test_one_image_is_too_few() -> None:
    """A sentence, and nothing fitted; without captions only images can ask."""
    with pytest.raises(ConfigError, match="two images"):
        familiarise(Embedded(entries([None]), drawn(1, 0), drawn(2, 0)))
    silent = familiarise(Embedded(entries([None] * 5, captions=0), drawn(5, 0), drawn(0, 0)))
    assert list(silent) == [Direction.IMAGE_TO_TEXT]
