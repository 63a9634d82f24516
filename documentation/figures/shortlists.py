"""Why the nearest means can miss the most probable items: one picture, and shares over many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from documentation.figures.demo import Demo
from documentation.figures.matches import SCENE
from index.gaussians.exhaustive import every_probability, most_probable
from index.items import Modality
from models.calibration import Direction
from models.distances import squared_l2

SIZE, TOP = 200, 10
NEAR, FAR, BEST = "#0b62c4", "#b9b9b9", "#b35900"
NAMES: Final = {"mean": "the means", "expected": "the means lifted by tr Σ", "head": "the means lifted like the head"}


def draw(demo: Demo) -> tuple[Figure, Mapping[str, str]]:
    """Left: all captions by distance and probability for one picture. Right: what shortlists of each size hold."""
    figure = Figure((9.6, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    numbers = _one_picture(left, demo)
    _shares(right, demo)
    return figure, numbers


def _one_picture(axes: Axes, demo: Demo) -> Mapping[str, str]:
    row = next(row for row, entry in enumerate(demo.corpus.entries) if entry.id == SCENE)
    query = demo.gallery.gaussians(Modality.IMAGE, [row])[0]
    captions = demo.gallery.stored(Modality.TEXT)
    probabilities = every_probability(query, captions, demo.head(Direction.IMAGE_TO_TEXT))
    distances = squared_l2(query, captions.take(np.arange(len(captions)))).sqrt().numpy()
    best = most_probable(query, captions, probabilities, TOP).rows
    near = np.argsort(distances, kind="stable")[:SIZE]
    edge, held = distances[near[-1]], len(set(best) & set(near.tolist()))
    axes.axvspan(distances.min() - 0.02, edge, color=NEAR, alpha=0.10, label=f"the {SIZE} nearest means")
    axes.plot(distances, probabilities, ".", color=FAR, markersize=2, rasterized=True, label="12,000 captions")
    axes.plot(distances[best], probabilities[best], "o", color=BEST, markersize=5, label="the ten most probable")
    axes.set(xlabel="distance of the means from the picture", ylabel="match probability", ylim=(-0.02, 1.05))
    axes.legend(loc="upper right", fontsize=8)
    axes.grid(alpha=0.3)
    first = demo.gallery.items(Modality.TEXT, [int(best[0])])[0]
    rank = int((distances < distances[best[0]]).sum()) + 1
    return {
        "held": f"{held} of its ten most probable captions",
        "first": f"“{first.text}”",
        "place": f"{rank:,}th nearest",
    }


def _shares(axes: Axes, demo: Demo) -> None:
    """As the build of the gallery measured them."""
    loss = demo.gallery.manifest.shortlists[Modality.TEXT].loss
    if loss is None:
        raise ValueError("the demo gallery was built without measuring its shortlists")
    for name, curve in loss.curves.items():
        axes.plot(loss.sizes, [100 * share for share in curve], marker="o", label=NAMES[name])
    axes.set(xscale="log", xlabel="captions in the shortlist", ylabel="of the ten most probable, held (%)")
    axes.set_xticks(loss.sizes, [f"{size:,}" for size in loss.sizes])
    axes.minorticks_off()
    axes.legend(loc="center left", fontsize=8)
    axes.grid(alpha=0.3)
