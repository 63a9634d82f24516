"""One to many: a caption that tells all, one that tells something, one that tells hardly anything; their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from corpus.scenes.description import Description
from documentation.figures.demo import Demo
from index.searching.retriever import Hit, SearchOptions, SearchResult
from models.calibration import Direction

SCENE: Final = "scene-000044"
CAPTIONS: Final = (0, 3, 5)
SHOWN: Final = 6
TRUE, FALSE = "#1a7f37", "#9a9a9a"


def draw(demo: Demo) -> tuple[Figure, Mapping[str, str]]:
    """A row a caption, with its first answers; a frame says which are true of it."""
    figure = Figure((9.6, 6.6), layout="constrained")
    rows, numbers = figure.subfigures(len(CAPTIONS), 1, squeeze=False)[:, 0], {}
    for place, part in zip(CAPTIONS, rows, strict=True):
        caption = demo.captions(SCENE)[place]
        found = demo.retriever.search(demo.text(caption.text), Direction.TEXT_TO_IMAGE, SearchOptions(top_k=SHOWN))
        true = demo.true_of(caption)
        part.suptitle(_title(caption, found, int(true.sum())), fontsize=9.5, x=0.01, ha="left")
        for axes, hit in zip(part.subplots(1, SHOWN), found.hits, strict=True):
            _picture(axes, demo, hit, bool(true[hit.row]))
        numbers[caption.text] = f"{found.expected_matches:.1f} expected, {true.sum():,} true"
    return figure, numbers


def _title(caption: Description, found: SearchResult, true: int) -> str:
    return (
        f"“{caption.text}”\n{true:,} of 2,000 pictures match · {found.expected_matches:.1f} expected in the shortlist "
        f"of {found.ranked:,}"
    )


def _picture(axes: Axes, demo: Demo, hit: Hit, true: bool) -> None:
    axes.imshow(imread(demo.picture(hit.row)))
    axes.set(xticks=[], yticks=[])
    error = 100 * (hit.standard_error or 0)
    axes.set_xlabel(
        f"{100 * hit.match_probability:.0f} ± {error:.0f} % · {'matches' if true else 'does not'}", fontsize=8
    )
    for spine in axes.spines.values():
        spine.set(color=TRUE if true else FALSE, linewidth=3, linestyle="-" if true else ":")
