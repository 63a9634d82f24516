"""The folder of a report: what it may replace, writing it whole, and reading it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from evaluation.reports.reading import part
from evaluation.reports.record import KIND, SCHEMA
from models.artifact import read_json, staged, write_json
from models.errors import ArtifactError

REPORT, PAGE = "report.json", "report.html"
REMEDY: Final = "make it with `penumbra evaluate MODEL --data D --out DIR`"


def check_replaceable(folder: Path, names: Collection[str], kind: str) -> None:
    """Refuse a folder in which something would be lost; to be asked before the long work.

    Args:
        folder: may be missing, empty, or hold an earlier result: the files `names`, the first of which says its kind.
        names: of the files that will be written.
        kind: what the first of them says under `kind`.

    Raises:
        ArtifactError: it is a file, or holds anything else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is a file, and the result is a folder: name another one with --out")
    held = {path.name for path in folder.iterdir()}
    other = sorted(held - set(names))
    if other:
        raise ArtifactError(f"{folder} holds {other[0]}, which would be lost: name another folder with --out")
    first = next(iter(names))
    if held and _kind_of(folder / first) != kind:
        raise ArtifactError(f"{folder} holds files that are no {kind}, and would be lost: name another with --out")


def _kind_of(path: Path) -> str | None:
    try:
        return str(read_json(path, "").get("kind"))
    except ArtifactError:
        return None


def write_folder(folder: Path, values: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Write JSON and texts, by the names of their files, aside and put the folder in place whole."""
    with staged(folder.resolve()) as staging:
        for name, value in values.items():
            write_json(staging / name, value)
        for name, text in texts.items():
            (staging / name).write_text(text, encoding="utf-8")


def read_report(path: Path) -> dict[str, Any]:
    """The record of a report, from its folder or its JSON file.

    Raises:
        ArtifactError: it is missing, damaged, or not a report of this version.
    """
    file = path / REPORT if path.is_dir() else path
    found = read_json(file, REMEDY)
    if found.get("kind") != KIND:
        raise ArtifactError(f"{file} is no report: {REMEDY}")
    if found.get("schema") != SCHEMA:
        raise ArtifactError(f"{file} has schema {found.get('schema')!r}, this version reads {SCHEMA}: {REMEDY}")
    needed = (("produced", "model"), ("produced", "data"), ("figures", "ranking"))
    missing = [".".join(keys) for keys in needed if not part(found, *keys)]
    if missing:
        raise ArtifactError(f"{file} is damaged, its {missing[0]} is missing: {REMEDY}")
    return found
