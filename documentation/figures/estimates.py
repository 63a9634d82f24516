"""The same match probabilities by samples and in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from documentation.figures.demo import Demo
from documentation.figures.matches import SCENE
from index.items import Modality
from models.calibration import Direction
from models.match import MatchProbability, Noise, closed_form, sampled

SAMPLES: Final = (7, 64)
SEEDS: Final = (0, 1)
CAPTION: Final = 4
SIZE: Final = 200
COLOURS: Final = ("#0b62c4", "#b35900")


def draw(demo: Demo) -> tuple[Figure, Mapping[str, str]]:
    """A point a picture of the shortlist and seed, with the standard error of the sampled one; the line: they agree."""
    caption = demo.captions(SCENE)[CAPTION]
    query, head = demo.text(caption.text), demo.head(Direction.TEXT_TO_IMAGE)
    items = demo.gallery.gaussians(Modality.IMAGE, demo.gallery.nearest(Modality.IMAGE, query.mean, SIZE))
    exact = closed_form(query[None], items, head)[0]
    figure = Figure((9.0, 4.7), layout="constrained")
    figure.suptitle(f"“{caption.text}” and its shortlist of {SIZE} pictures", fontsize=9.5)
    numbers = {}
    for axes, samples in zip(figure.subplots(1, len(SAMPLES), sharey=True), SAMPLES, strict=True):
        found = [sampled(query, items, head, Noise.draw(demo.gallery.dim, samples, seed)) for seed in SEEDS]
        _scatter(axes, exact, found, samples)
        numbers[f"J = {samples}"] = _compared(exact, found)
    return figure, numbers


def _compared(exact: Tensor, found: Sequence[MatchProbability]) -> str:
    """The greatest difference and the mean standard error, of all seeds, in points of a percentage."""
    most = max(float((each.value - exact).abs().max()) for each in found)
    error = sum(float(each.standard_error.mean()) for each in found) / len(found)
    return f"at most {100 * most:.0f} points apart, with a mean standard error of {100 * error:.1f}"


def _scatter(axes: Axes, exact: Tensor, found: Sequence[MatchProbability], samples: int) -> None:
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=(0, (2, 2)))
    for seed, each, colour in zip(SEEDS, found, COLOURS, strict=True):
        axes.errorbar(
            exact,
            each.value,
            yerr=each.standard_error,
            label=f"seed {seed}",
            fmt="o",
            color=colour,
            markersize=3,
            elinewidth=0.6,
            alpha=0.6,
        )
    axes.set(xlabel="in closed form", ylabel=f"sampled, J = {samples} a side", aspect="equal")
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)
