"""A captioned collection on disk: a folder with `captions.jsonl`, or a bare folder of images."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn

from models.errors import CorpusError

MANIFEST: Final = "captions.jsonl"
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Entry:
    """One image with the captions written for it; a line of `captions.jsonl`."""

    id: str
    image: Path
    captions: tuple[str, ...] = ()
    label: str | None = None
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """What was left out: its line in `captions.jsonl` (None in a bare folder), and what is wrong with it."""

    line: int | None
    what: str


@dataclass(frozen=True)
class Corpus:
    """The entries of a folder in the order of its lines, and what `skip_bad` left out."""

    root: Path
    entries: tuple[Entry, ...]
    skipped: tuple[Problem, ...] = ()

    def split(self, name: str) -> Corpus:
        """The entries whose `split` is `name`; `CorpusError` names the splits there are when none is."""
        chosen = tuple(entry for entry in self.entries if entry.split == name)
        if not chosen:
            there = sorted({entry.split for entry in self.entries if entry.split is not None})
            choice = f"choose one of {', '.join(there)}" if there else "its entries name no split, so leave it out"
            raise CorpusError(f"{self.root} has no split {name!r}; {choice}.")
        return replace(self, entries=chosen)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the ids, captions, labels, splits and image file sizes, in order.

        Sizes stand for the images' bytes, so that it costs a `stat` and not a read of each; where the folder
        lies does not count.
        """
        digest = hashlib.sha256()
        for entry in self.entries:
            size = entry.image.stat().st_size
            line = json.dumps([entry.id, entry.captions, entry.label, entry.split, size])
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()


def read(directory: Path, *, skip_bad: bool = False) -> Corpus:
    """The collection in a folder: what its `captions.jsonl` lists, or else every image below it.

    A line is a JSON object with `id`, `image` (a path inside the folder), `captions`, and optionally `label`,
    `split` and `meta`; other keys are added to `meta`. In a bare folder an id is the path without its suffix;
    hidden files are no part of it. Raises `CorpusError` naming the file, the line and what is wrong with it;
    with `skip_bad`, bad lines are listed in `Corpus.skipped` instead.
    """
    if not directory.is_dir():
        raise CorpusError(f"{directory} is not a folder; name the folder that holds {MANIFEST} or images.")
    found = _from_manifest if (directory / MANIFEST).is_file() else _from_images
    entries: dict[str, Entry] = {}
    skipped: list[Problem] = []
    for line, make in found(directory):
        try:
            entry = make()
            _require(entry.id not in entries, f"the id {entry.id!r} occurs twice")
            entries[entry.id] = entry
        except _BadLineError as bad:
            skipped.append(Problem(line, str(bad)))
            if not skip_bad:
                _refuse(directory, skipped[0])
    if not entries:
        raise CorpusError(f"{directory} holds no usable image; put images or a {MANIFEST} that lists them there.")
    return Corpus(directory, tuple(entries.values()), tuple(skipped))


class _BadLineError(Exception):
    """What is wrong with one line."""


Found = Iterator[tuple[int | None, Callable[[], Entry]]]


def _refuse(directory: Path, problem: Problem) -> NoReturn:
    where = directory if problem.line is None else f"{directory / MANIFEST}, line {problem.line}"
    raise CorpusError(f"{where}: {problem.what}; correct it, or leave out what is bad with --skip-bad.")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _BadLineError(otherwise)


def _from_manifest(directory: Path) -> Found:
    with (directory / MANIFEST).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, lambda line=line: _entry(directory, _object(line))  # type: ignore[misc]


def _from_images(directory: Path) -> Found:
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield None, lambda path=path, inside=inside: _bare(path, inside)  # type: ignore[misc]


def _bare(path: Path, inside: Path) -> Entry:
    name = inside.with_suffix("").as_posix()
    _require(_is_unicode(name), f"the file name {os.fsencode(inside)!r} is not UTF-8")
    return Entry(id=name, image=path)


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line; its strings can be written as UTF-8."""
    try:
        content = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _BadLineError("not JSON in UTF-8") from None
    if not isinstance(content, dict):
        raise _BadLineError("not a JSON object")
    _require(_is_unicode(json.dumps(content, ensure_ascii=False)), "half of a surrogate pair in a text")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _entry(directory: Path, content: dict[str, Any]) -> Entry:
    for name in ("id", "image", "captions"):
        _require(name in content, f"{name!r} is missing")
    meta = content.pop("meta", {})
    _require(isinstance(meta, dict), "'meta' is not an object")
    entry = Entry(
        id=_text(content, "id"),
        image=_image(directory, _text(content, "image")),
        captions=_captions(content.pop("captions")),
        label=_optional_text(content, "label"),
        split=_optional_text(content, "split"),
        meta=meta,
    )
    # What was not asked for above is left in `content`; what `meta` says itself comes first.
    return replace(entry, meta={**content, **meta})


def _text(content: dict[str, Any], name: str) -> str:
    value = content.pop(name)
    _require(isinstance(value, str) and bool(value.strip()), f"{name!r} is not a text with something in it")
    return str(value)


def _optional_text(content: dict[str, Any], name: str) -> str | None:
    if content.get(name) is not None:
        return _text(content, name)
    content.pop(name, None)
    return None


def _captions(value: Any) -> tuple[str, ...]:
    _require(isinstance(value, list) and bool(value), "'captions' is not a list with at least one caption")
    for place, caption in enumerate(value, start=1):
        _require(isinstance(caption, str) and bool(caption.strip()), f"caption {place} is not a text with words")
    return tuple(value)


def _image(directory: Path, name: str) -> Path:
    """The image's path; its name may not lead out of the folder (a link in the folder may)."""
    inside = PurePosixPath(os.path.normpath(name))
    _require(not inside.is_absolute() and inside.parts[0] != "..", f"the image {name!r} lies outside the folder")
    path = directory / inside
    _require(path.is_file(), f"the image {name!r} does not exist")
    return path
