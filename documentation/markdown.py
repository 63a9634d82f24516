"""Pieces of Markdown that several pages have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def generated(title: str, source: str, introduction: str) -> str:
    """The head of a page: where it comes from stands in a comment, so that nobody mends it by hand."""
    return f"# {title}\n\n<!-- Written by `make docs` from {source}. -->\n\n{introduction}\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what a cell holds is shown as it is, on one line."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell(each) for each in line)} |\n" for line in lines)


def cell(content: object) -> str:
    """What can stand between two bars."""
    return " ".join(str(content).split()).replace("|", "\\|")


def code(content: object) -> str:
    """As code."""
    return f"`{content}`"
