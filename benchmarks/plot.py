"""`python -m benchmarks.plot FIGURES.json PICTURE`: how the time of a search grows with the gallery."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

RERANKS = {"sampled_ms": "search, sampled", "closed_form_ms": "search, closed form", "exhaustive_ms": "exhaustive"}
WIDTH, HEIGHT = 7.2, 4.2


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
        for key, label in RERANKS.items():
            medians = [run["search"][key]["p50"] for run in chosen]
            counts = [run["count"] for run in chosen]
            style = {"linestyle": ":", "color": "0.5"} if key == "exhaustive_ms" else {"marker": "o"}
            axes.plot(counts, medians, label=f"{label}, {kind}, D = {chosen[0]['dim']}", **style)


def main() -> None:
    """Draw what a file of `python -m benchmarks scale --json` holds."""
    source, picture = map(Path, sys.argv[1:3])
    growth(json.loads(source.read_text())).savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
