"""What takes knowledge away from a picture or a caption: an erased area, blur, dropped words. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

import torch
from numpy.random import default_rng
from torch import Tensor

ERASED: Final = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Shares of a picture's area."""
BLURRED: Final = (0.0, 0.01, 0.02, 0.04, 0.08)
"""Standard deviations of the Gaussian, as shares of a picture's side."""
DROPPED: Final = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Shares of a caption's words."""


def erase(pixels: Tensor, share: float, corners: Tensor) -> Tensor:
    """Pictures without a rectangle of their own shape; what is erased has ImageNet's mean colour.

    A larger share erases all that a smaller one does, so that its picture tells strictly less.

    Args:
        pixels: [n, 3, height, width], normalised.
        share: of the area, up to the rounding of the sides to whole pixels.
        corners: [n, 2] in [0, 1], where the rectangle lies between the top and the bottom, the left and the right.
    """
    height, width = pixels.shape[-2:]
    tall, wide = (round(side * share**0.5) for side in (height, width))
    top = (corners[:, 0] * (height - tall)).floor()[:, None]
    left = (corners[:, 1] * (width - wide)).floor()[:, None]
    down, across = torch.arange(height), torch.arange(width)
    rows, columns = (down >= top) & (down < top + tall), (across >= left) & (across < left + wide)
    gone = rows[:, None, :, None] & columns[:, None, None, :]
    return pixels.masked_fill(gone.to(pixels.device), 0.0)


def blur(pixels: Tensor, share: float) -> Tensor:
    """Pictures seen through a Gaussian, cut off at three standard deviations.

    Args:
        pixels: [n, 3, height, width]; normalised or not is the same.
        share: of the shorter side, the standard deviation.
    """
    # Here and not above: it takes a second, which commands that blur nothing need not wait for.
    from torchvision.transforms.v2.functional import gaussian_blur

    side = min(pixels.shape[-2:])
    reach = min(ceil(3 * share * side), side - 1)
    if reach == 0:
        return pixels
    width, deviation = 2 * reach + 1, share * side
    # One axis after the other: torchvision multiplies the two out, which costs the square.
    across: Tensor = gaussian_blur(pixels, [width, 1], [deviation, deviation])
    down: Tensor = gaussian_blur(across, [1, width], [deviation, deviation])
    return down


def drop_words(captions: Sequence[str], share: float, seed: int) -> list[str]:
    """Captions without `share` of their words, rounded, chosen at random; one word stays at least.

    A larger share drops all that a smaller one does. Words are what spaces part.

    Args:
        captions: each is drawn for by its place in them.
        share: of the words.
        seed: chooses them.
    """
    return [_without(caption.split(), share, seed, place) for place, caption in enumerate(captions)]


def _without(words: Sequence[str], share: float, seed: int, place: int) -> str:
    order = default_rng([seed, place]).permutation(len(words))
    gone = set(order[: min(round(share * len(words)), len(words) - 1)].tolist())
    return " ".join(word for at, word in enumerate(words) if at not in gone)
