"""The files that published data sets come in, read so that what is missing or damaged is said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.errors import CorpusError


def require_file(path: Path, source: str) -> Path:
    """The path; `CorpusError` where there is no such file, naming the archive that it is part of."""
    if not path.is_file():
        raise CorpusError(f"{path} is missing; it is part of {source}.")
    return path


def require_folder(path: Path, source: str) -> Path:
    """The path; `CorpusError` where there is no such folder, naming the archive that it is part of."""
    if not path.is_dir():
        raise CorpusError(f"the folder {path} is missing; it is part of {source}.")
    return path


def first_file(paths: Iterable[Path]) -> Path | None:
    """The first that is a file."""
    return next((path for path in paths if path.is_file()), None)


def first_folder(paths: Iterable[Path]) -> Path | None:
    """The first that is a folder."""
    return next((path for path in paths if path.is_dir()), None)


def numbered_lines(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, stripped, with their numbers; `CorpusError` where they are not UTF-8."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CorpusError(f"{path} is not text in UTF-8; take it again from {source}.") from None
    # Not splitlines(), which also breaks at characters that captions may hold.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def memberships(lists: Mapping[str, Path], source: str) -> dict[str, str]:
    """The split of each name, from one file of names for each split; `CorpusError` where a name is in two."""
    splits: dict[str, str] = {}
    for split, path in lists.items():
        for number, name in numbered_lines(path, source):
            if splits.setdefault(name, split) != split:
                raise CorpusError(
                    f"{path}, line {number}: {name!r} is in the split {splits[name]!r} already; "
                    f"take the lists again from {source}."
                )
    return splits


def read_json(path: Path, source: str, leaving_out: Iterable[str] = ()) -> dict[str, Any]:
    """The JSON object in a file; `CorpusError` where there is none.

    Members of these names are dropped, at any depth, while the rest is still being read: most of what COCO's files say
    is not needed here, and all of it at once would have to fit in memory.
    """
    names = tuple(leaving_out)

    def slim(content: dict[str, Any]) -> dict[str, Any]:
        for name in names:
            content.pop(name, None)
        return content

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_hook=slim)
    except (ValueError, RecursionError):
        raise CorpusError(f"{path} is not JSON in UTF-8; take it again from {source}.") from None
    if not isinstance(content, dict):
        raise CorpusError(f"{path} is not a JSON object; take it again from {source}.")
    return content
