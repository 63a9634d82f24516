"""A scene and its captions as Gaussians, in the plane in which their means differ most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from documentation.figures.demo import Demo
from documentation.figures.matches import CAPTIONS, SCENE
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import closed_form

COLOURS: Final = ("#0b62c4", "#b35900", "#8a3ab9")
PICTURE: Final = "#333333"


def draw(demo: Demo) -> tuple[Figure, Mapping[str, str]]:
    """Each Gaussian as the ellipse of its projected covariance, grown to the total variance of all dimensions."""
    captions = [demo.captions(SCENE)[place] for place in CAPTIONS]
    texts = demo.encoder.encode_texts([caption.text for caption in captions])
    row = next(row for row, entry in enumerate(demo.corpus.entries) if entry.id == SCENE)
    picture = demo.encoder.encode_images([demo.picture(row).read_bytes()])
    plane = _plane(torch.cat([texts.mean, picture.mean]))
    figure = Figure((8.4, 5.2), layout="constrained")
    axes: Axes = figure.subplots()
    _ellipse(axes, picture[0], plane, PICTURE, f"the picture, tr Σ {picture.total_variance[0]:.2f}")
    probabilities = closed_form(texts, picture, demo.head(Direction.TEXT_TO_IMAGE))[:, 0]
    for caption, text, colour, probability in zip(captions, texts, COLOURS, probabilities, strict=True):
        label = f"“{caption.text}”\ntr Σ {text.total_variance:.2f}, {100 * probability:.0f} % with the picture"
        _ellipse(axes, text, plane, colour, label)
    axes.set(aspect="equal", xlabel="first principal axis of the four means", ylabel="second")
    axes.autoscale_view()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, frameon=False)
    traces = ", ".join(f"{value:.2f}" for value in texts.total_variance)
    return figure, {"traces of the captions": traces, "of the picture": f"{picture.total_variance[0]:.2f}"}


def _plane(means: torch.Tensor) -> torch.Tensor:
    """[2, dim]: the first two principal axes of means [n, dim]."""
    principal: torch.Tensor = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh
    return principal[:2]


def _ellipse(axes: Axes, gaussian: Gaussian, plane: torch.Tensor, colour: str, label: str) -> None:
    """One Gaussian; the mean squared distance of a sample from its mean, tr Σ, is that of the ellipse's outline."""
    projected = (plane * gaussian.variance) @ plane.T
    grown = projected * (gaussian.total_variance / projected.trace())
    lengths, directions = np.linalg.eigh(grown.numpy())
    angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
    x, y = (plane @ gaussian.mean).tolist()
    width, height = 2 * np.sqrt(2 * lengths[::-1])
    axes.add_patch(Ellipse((x, y), width, height, angle=angle, facecolor=colour, alpha=0.13))
    axes.add_patch(Ellipse((x, y), width, height, angle=angle, fill=False, edgecolor=colour, linewidth=1.6))
    axes.plot([x], [y], "o", color=colour, markersize=5, label=label)
