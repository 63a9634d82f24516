"""What every entry has to fulfil, whichever reader makes it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn


class BadEntryError(Exception):
    """What is wrong with one entry."""


class KnownFlawError(BadEntryError):
    """What is wrong with an entry in the published files themselves, so that nobody can correct it."""


def require(condition: bool, otherwise: str) -> None:
    """Raises `BadEntryError` with the words given unless the condition holds."""
    if not condition:
        raise BadEntryError(otherwise)


def refuse(what: str) -> NoReturn:
    """Raises `BadEntryError`: the draft of what is listed and can be no entry."""
    raise BadEntryError(what)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def text(value: Any, name: str) -> str:
    """The value, a text with something in it; `BadEntryError` names it otherwise."""
    require(isinstance(value, str) and bool(value.strip()), f"{name!r} is not a text with something in it")
    require(is_unicode(value), "half of a surrogate pair in a text")
    return str(value)


def captions(value: Any) -> tuple[str, ...]:
    """The value, a list with at least one caption, each a text with words; `BadEntryError` names it otherwise."""
    require(isinstance(value, list) and bool(value), "'captions' is not a list with at least one caption")
    for place, caption in enumerate(value, start=1):
        require(isinstance(caption, str) and bool(caption.strip()), f"caption {place} is not a text with words")
        require(is_unicode(caption), "half of a surrogate pair in a text")
    return tuple(value)


def image(directory: Path, name: str, source: str | None = None) -> Path:
    """The image's path; its name may not lead out of the folder (a link in the folder may).

    Raises `BadEntryError` where it does, or where there is no such file; `source` names the archive it is part of.
    """
    inside = PurePosixPath(os.path.normpath(name))
    require(not inside.is_absolute() and inside.parts[0] != "..", f"the image {name!r} lies outside the folder")
    path = directory / inside
    if source is None:
        require(path.is_file(), f"the image {name!r} does not exist")
    else:
        require(path.parent.is_dir(), f"the folder {path.parent} does not exist (it is part of {source})")
        require(path.is_file(), f"the image {path} does not exist (it is part of {source})")
    return path
