"""The values that a page is made of, and the page: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG of `evaluation.reports.plots`, trusted as it is) and what to see in it."""

    svg: str
    caption: str

    @property
    def drawing(self) -> Markup:
        """The SVG as a part of the page, not as text."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `best` where it is ahead of its column beyond the spread."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: the first `names` columns say what a row is, the others hold numbers."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1


@dataclass(frozen=True)
class Item:
    """An image or a caption shown with its σ; `picture` is a data URI or empty."""

    text: str
    note: str
    picture: str = ""


@dataclass(frozen=True)
class Gallery:
    """Items side by side under a heading."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Section:
    """A part of a page under its own heading."""

    id: str
    title: str
    text: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[Grid, ...] = ()
    galleries: tuple[Gallery, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A reader's question, the answer in a word or two, and what it rests on."""

    question: str
    short: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """All of a page."""

    title: str
    subtitle: str
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]


def render(page: Page) -> str:
    """The page as HTML; all text is escaped, and nothing in it is fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("evaluation.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page)


def grid(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Grid:
    """A table of plain texts."""
    return Grid(caption, tuple(headings), tuple(tuple(Cell(text) for text in row) for row in rows), names)
