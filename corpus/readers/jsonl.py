"""Penumbra's own layout: a folder with `captions.jsonl`, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from corpus.manifest import Entry
from corpus.readers import checks
from corpus.readers.checks import BadEntryError, require
from corpus.readers.reader import Draft

MANIFEST: Final = "captions.jsonl"


def recognise(directory: Path) -> bool:
    """Whether the folder holds `captions.jsonl`."""
    return (directory / MANIFEST).is_file()


def read(directory: Path) -> Iterator[Draft]:
    """An entry a line, in their order.

    A line is a JSON object with `id`, `image` (a path inside the folder), `captions`, and optionally `label`,
    `split` and `meta`; other keys are added to `meta`. Lines without anything are no entries.
    """
    path = directory / MANIFEST
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield Draft(f"{path}, line {number}", partial(_entry, directory, line))


def _entry(directory: Path, line: bytes) -> Entry:
    content = _object(line)
    for name in ("id", "image", "captions"):
        require(name in content, f"{name!r} is missing")
    meta = content.pop("meta", {})
    require(isinstance(meta, dict), "'meta' is not an object")
    entry = Entry(
        id=checks.text(content.pop("id"), "id"),
        image=checks.image(directory, checks.text(content.pop("image"), "image")),
        captions=checks.captions(content.pop("captions")),
        label=_optional_text(content, "label"),
        split=_optional_text(content, "split"),
        meta=meta,
    )
    # What was not asked for above is left in `content`; what `meta` says itself comes first.
    return replace(entry, meta={**content, **meta})


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line; its strings can be written as UTF-8."""
    try:
        content = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadEntryError("not JSON in UTF-8") from None
    if not isinstance(content, dict):
        raise BadEntryError("not a JSON object")
    require(checks.is_unicode(json.dumps(content, ensure_ascii=False)), "half of a surrogate pair in a text")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _optional_text(content: dict[str, Any], name: str) -> str | None:
    value = content.pop(name, None)
    return None if value is None else checks.text(value, name)
