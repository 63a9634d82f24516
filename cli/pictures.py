"""Pictures in a terminal: each character is two pixels, the upper in its colour and the lower in its background's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

_UPPER_HALF: Final = "▀"


def can_show_pictures(console: Console) -> bool:
    """Whether it is a terminal with colours."""
    return console.is_terminal and console.color_system is not None and not console.no_color


def half_blocks(picture: bytes, pixels: int = 16) -> Text:
    """A picture's file as text.

    Args:
        picture: as `models.image.decode` reads it.
        pixels: of its shorter side: so many columns, or half as many lines.

    Raises:
        ImageError: it is no picture.
    """
    # Only here: what decodes pictures takes time to load, and not every answer shows any.
    from models.image import decode, shorter_side

    rows = shorter_side(decode(picture), pixels).tolist()
    lines = (_line(upper, lower) for upper, lower in zip(rows[::2], rows[1::2], strict=False))
    return Text("\n").join(lines)


def _line(upper: Sequence[Sequence[int]], lower: Sequence[Sequence[int]]) -> Text:
    line = Text()
    for above, below in zip(upper, lower, strict=True):
        line.append(_UPPER_HALF, Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
    return line
