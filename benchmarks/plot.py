"""`python -m benchmarks.plot FIGURES.json PICTURE`: how the time of a search grows with the gallery."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 7.2, 4.2


@dataclass(frozen=True)
class Curve:
    """How the times of one rerank are named and drawn; without a colour the next one that is free."""

    label: str
    line: str = "-"
    marker: str = "o"
    colour: str | None = None


CURVES = {
    "sampled_ms": Curve("search, sampled"),
    "closed_form_ms": Curve("search, closed form"),
    "exhaustive_ms": Curve("exhaustive", line=":", marker="", colour="0.5"),
}


def growth(figures: Mapping[str, Any]) -> Figure:
    """Median milliseconds of a search against the number of items, on logarithmic axes."""
    figure = Figure((WIDTH, HEIGHT), layout="constrained")
    axes: Axes = figure.subplots()
    for name, found in sorted(figures.items()):
        if name.startswith("scale-"):
            _draw(axes, found["runs"])
    axes.set(xscale="log", yscale="log", xlabel="items", ylabel="milliseconds, p50")
    axes.grid(which="major", alpha=0.3)
    axes.legend(fontsize="small", frameon=False)
    return figure


def _draw(axes: Axes, runs: list[Mapping[str, Any]]) -> None:
    for kind in dict.fromkeys(run["kind"] for run in runs):
        chosen = sorted((run for run in runs if run["kind"] == kind), key=lambda run: int(run["count"]))
        for key, curve in CURVES.items():
            medians = [run["search"][key]["p50"] for run in chosen]
            counts = [run["count"] for run in chosen]
            label = f"{curve.label}, {kind}, D = {chosen[0]['dim']}"
            axes.plot(counts, medians, linestyle=curve.line, marker=curve.marker, color=curve.colour, label=label)


def main() -> None:
    """Draw what a file of `python -m benchmarks scale --json` holds."""
    source, picture = map(Path, sys.argv[1:3])
    growth(json.loads(source.read_text())).savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
