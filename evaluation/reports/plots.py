"""Numbers to drawings: SVG that belongs in a page. The one module that knows matplotlib.

The text stays text and the colours are the page's own (`var(--…)`), so that one drawing serves light and dark. Equal
numbers give equal bytes: identifiers are hashed with a fixed salt and begin with the drawing's name, and no date is
written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any, Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

WIDTH, HEIGHT, LEGEND_ROW = 4.6, 3.1, 0.235
# More characters than half the width holds in the legend.
LONG_LABEL = 24
# Colours that stand for the page's variables until the drawing is done.
_INK, _SOFT, _LINE = "#010101", "#010102", "#010103"
_SERIES: Final = tuple(f"#01010{n}" for n in "456789ab")
_VARIABLES: Final = {_INK: "--ink", _SOFT: "--soft", _LINE: "--line"} | {
    colour: f"--series-{place}" for place, colour in enumerate(_SERIES, 1)
}
# Told apart without colour as well.
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: Final = ("-", "--", "-.", ":")
_STYLE: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "penumbra",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Series:
    """One line: y over x, with `low` and `high` as a band around it where they are known."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@dataclass(frozen=True)
class Scale:
    """The axes of a drawing.

    Args:
        x: what the horizontal axis shows.
        y: what the vertical one shows.
        x_percent: shares, shown from 0 to 100 %.
        y_percent: likewise.
        x_log: horizontal axis in equal ratios.
        y_from_zero: the vertical axis begins at zero.
    """

    x: str
    y: str
    x_percent: bool = False
    y_percent: bool = False
    x_log: bool = False
    y_from_zero: bool = False


def lines(name: str, title: str, series: Sequence[Series], scale: Scale, *, diagonal: bool = False) -> str:
    """Lines with markers; `diagonal` also draws where y equals x, from 0 to 1."""

    def paint(axes: Axes) -> None:
        if diagonal:
            axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle=(0, (1, 2)))
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        for place, each in enumerate(series):
            colour, marker, dash = _look(place)
            axes.plot(each.x, each.y, color=colour, marker=marker, linestyle=dash, label=each.label)
            if each.low is not None and each.high is not None:
                axes.fill_between(each.x, each.low, each.high, color=colour, alpha=0.18, linewidth=0)
        _scaled(axes, scale)

    height = HEIGHT + 1.2 if diagonal else HEIGHT
    return _drawn(name, title, paint, height, [each.label for each in series])


def histogram(name: str, title: str, series: Sequence[tuple[str, Sequence[float], Sequence[float]]], x: str) -> str:
    """Outlines of histograms, each (label, edges [n + 1], counts [n]) as a share of its own sum; x in equal ratios."""

    def paint(axes: Axes) -> None:
        for place, (label, edges, counts) in enumerate(series):
            colour, _, dash = _look(place)
            shares = np.asarray(counts) / max(float(np.sum(counts)), 1.0)
            axes.stairs(shares, edges, color=colour, linestyle=dash, linewidth=1.4, label=label)
            axes.stairs(shares, edges, color=colour, fill=True, alpha=0.18)
        _scaled(axes, Scale(x, "share of the items", y_percent=True, x_log=True, y_from_zero=True))

    return _drawn(name, title, paint, HEIGHT, [label for label, *_ in series])


def intervals(name: str, title: str, rows: Sequence[tuple[str, float, float | None]], x: str) -> str:
    """One point a row, (label, mean, deviation), with its ± as a bar where there is one; the first on top."""

    def paint(axes: Axes) -> None:
        for place, (_, mean, deviation) in enumerate(rows):
            colour, marker, _ = _look(place)
            axes.errorbar(
                [mean], [place], xerr=None if deviation is None else [deviation], color=colour, marker=marker, capsize=4
            )
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows], color=_INK)
        axes.set(ylim=(len(rows) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _scaled(axes, Scale(x, "", x_percent=True))

    return _drawn(name, title, paint, 0.9 + 0.32 * len(rows), [])


def _look(place: int) -> tuple[str, str, str]:
    """Colour, marker and dash of a series."""
    return _SERIES[place % len(_SERIES)], _MARKERS[place % len(_MARKERS)], _DASHES[place % len(_DASHES)]


def _scaled(axes: Axes, scale: Scale) -> None:
    axes.set(xlabel=scale.x, ylabel=scale.y)
    if scale.x_log:
        axes.set_xscale("log")
        _plain_ratios(axes)
    if scale.x_percent:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    if scale.y_percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    if scale.y_from_zero:
        axes.set_ylim(bottom=0)


def _plain_ratios(axes: Axes) -> None:
    """Ticks of a logarithmic axis as plain numbers, also within one decade."""
    low, high = axes.get_xlim()
    if high / low > 20:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 100 else f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _drawn(name: str, title: str, paint: Callable[[Axes], None], height: float, labels: Sequence[str]) -> str:
    columns = 1 if any(len(label) > LONG_LABEL for label in labels) else 2
    rows = -(-len(labels) // columns)
    # The default style first: what a person has set up for their own drawings does not belong here.
    with style.context(["default", dict(_STYLE)]):
        drawing = Figure(figsize=(WIDTH, height + LEGEND_ROW * rows), layout="constrained")
        axes = drawing.subplots()
        paint(axes)
        if labels:
            drawing.legend(loc="outside upper left", ncols=columns, columnspacing=1.2, handlelength=2.6)
        buffer = StringIO()
        unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        drawing.savefig(buffer, format="svg", transparent=True, metadata=unsaid)
    return _belonging(buffer.getvalue(), name, title)


def _belonging(svg: str, name: str, title: str) -> str:
    """Make a file's SVG part of a page: its own identifiers, the page's colours and font, a title for who listens."""
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', body)
    assert box is not None, "matplotlib writes a viewBox"
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font-family: [^;\"]*; ", "", body)
    body = re.sub(r"#0101[0-9a-f]{2}\b", lambda found: f"var({_VARIABLES.get(found[0], '--ink')})", body)
    head = f'<svg {box[0]} role="img" aria-labelledby="{name}-title"><title id="{name}-title">{escape(title)}</title>'
    return head + re.sub(r"\n\s*\n", "\n", body).strip() + "\n"
