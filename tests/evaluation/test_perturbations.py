"""Erased areas, blur and dropped words do what their levels say, and a higher level takes all that a lower one took."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from evaluation.perturbations import BLURRED, DROPPED, ERASED, blur, drop_words, erase

CAPTIONS = ["a large red star on a small blue disc, at night", "one two three four five", "alone"]


def pictures() -> Tensor:
    """Four pictures without a zero."""
    return torch.rand(4, 3, 40, 60, generator=torch.Generator().manual_seed(0)) + 1


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_erased_areas_are_one_rectangle_of_the_size_asked_for(seed: int) -> None:
    """What stays is unchanged; what a level erases the next one erases too."""
    whole, corners = pictures(), torch.rand(4, 2, generator=torch.Generator().manual_seed(seed))
    levels = [erase(whole, share, corners) for share in ERASED]
    assert torch.equal(levels[0], whole)
    for share, found in zip(ERASED, levels, strict=True):
        gone = (found == 0).all(dim=1)
        assert torch.equal(found[~gone[:, None].expand_as(found)], whole[~gone[:, None].expand_as(found)])
        for each in gone:
            rows, columns = each.any(dim=1), each.any(dim=0)
            assert torch.equal(each, rows[:, None] & columns)
            assert abs(float(each.float().mean()) - share) < 0.02
    for less, more in pairwise(levels):
        assert bool((more[less == 0] == 0).all())


def test_corners_place_the_erased_area() -> None:
    """Zero is the top left, one the bottom right."""
    ends = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    found = erase(pictures(), 0.25, ends)[:, 0] == 0
    assert [found[i, y, x].item() for i, (y, x) in enumerate([(0, 0), (39, 59), (0, 59), (39, 0)])] == [True] * 4
    assert found.sum().item() == 4 * 20 * 30


@pytest.mark.parametrize("share", BLURRED[1:])
def test_blur_is_scipys(share: float) -> None:
    """A Gaussian of that share of the shorter side along both axes, mirrored at the edges, cut at three deviations."""
    whole = pictures()
    reach = int(np.ceil(3 * share * 40))
    expected = whole.double().numpy()
    for axis in (2, 3):
        expected = gaussian_filter1d(expected, share * 40, axis, mode="mirror", radius=reach)
    np.testing.assert_allclose(blur(whole, share).numpy(), expected, atol=1e-5)


def test_blur_of_nothing_and_of_tiny_pictures() -> None:
    """No blur is the picture itself; a picture of one pixel has nothing to mix."""
    assert torch.equal(blur(pictures(), 0.0), pictures())
    assert torch.equal(blur(torch.ones(1, 3, 1, 1), 0.08), torch.ones(1, 3, 1, 1))
    assert blur(torch.rand(1, 3, 4, 4), 2.0).shape == (1, 3, 4, 4)


@given(st.integers(0, 1000))
def test_dropped_words(seed: int) -> None:
    """As many as asked, rounded; the rest in their order; a higher level drops the same ones and more; one stays."""
    levels = [[caption.split() for caption in drop_words(CAPTIONS, share, seed)] for share in DROPPED]
    assert levels[0] == [caption.split() for caption in CAPTIONS]
    for share, level in zip(DROPPED, levels, strict=True):
        for whole, kept in zip(levels[0], level, strict=True):
            assert len(kept) == max(len(whole) - round(share * len(whole)), 1)
    for less, more in pairwise(levels):
        for longer, shorter in zip(less, more, strict=True):
            remaining = iter(longer)
            assert all(word in remaining for word in shorter)


def test_which_words_go_is_the_seeds_choice() -> None:
    """The same seed drops the same words, another one others, and equal captions lose different words."""
    assert drop_words(CAPTIONS, 0.4, 1) == drop_words(CAPTIONS, 0.4, 1)
    assert drop_words(CAPTIONS, 0.4, 1) != drop_words(CAPTIONS, 0.4, 2)
    assert len(set(drop_words([CAPTIONS[0]] * 20, 0.4, 0))) > 5
