"""A collection of scenes from a seed: in memory, or written as a corpus folder.

Scene number i of a seed is the same however many are asked for, and so are its captions.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from corpus.scenes.captions import describe
from corpus.scenes.description import Description
from corpus.scenes.render import render
from corpus.scenes.scene import Scene, sample_scene
from models.errors import CorpusError
from models.image import encode_png

_SCENE_STREAM: Final = 0
_CAPTION_STREAM: Final = 1


def scenes(count: int, seed: int) -> list[Scene]:
    """The first `count` scenes of a seed, no two with the same attributes."""
    seen: set[tuple[Any, ...]] = set()
    found = []
    for index in range(count):
        found.append(_new_scene(_stream(seed, _SCENE_STREAM, index), seen))
    return found


def captions(scenes: Sequence[Scene], seed: int, count: int = 6) -> list[tuple[Description, ...]]:
    """`count` descriptions for each of the first scenes of a seed, from exact to vague."""
    return [describe(scene, _stream(seed, _CAPTION_STREAM, index), count) for index, scene in enumerate(scenes)]


def write(
    directory: Path,
    count: int,
    seed: int,
    *,
    side: int = 128,
    per_image: int = 6,
    splits: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a corpus folder: `images/*.png` and `captions.jsonl`, with scenes and descriptions as `meta`.

    The folder is written aside and renamed into place, so that it is there whole or not at all.

    Args:
        per_image: how many captions each picture gets.
        splits: the number of pictures of each split, in order; they must add up to `count`.
        progress: called with the number of pictures written and `count`.

    Raises:
        CorpusError: `directory` holds something already, or the splits do not add up to `count`.
    """
    names = _split_names(count, splits)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CorpusError(f"{directory} exists already: remove it or name another folder for the scenes.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        _fill(aside, _records(count, seed, per_image, names), count, side, progress)
        aside.chmod(0o755)
        aside.replace(directory)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _stream(seed: int, purpose: int, index: int) -> Generator:
    return np.random.default_rng([seed, purpose, index])


def _new_scene(rng: Generator, seen: set[tuple[Any, ...]]) -> Scene:
    """The first scene drawn whose attributes are not in `seen`, to which they are added."""
    while True:
        scene = sample_scene(rng)
        if scene.attributes not in seen:
            seen.add(scene.attributes)
            return scene


def _split_names(count: int, splits: Mapping[str, int] | None) -> list[str | None]:
    """The split of each picture."""
    if splits is None:
        return [None] * count
    if sum(splits.values()) != count:
        raise CorpusError(f"The splits {dict(splits)} do not add up to {count} pictures: change one or the other.")
    return [name for name, share in splits.items() for _ in range(share)]


def _records(
    count: int, seed: int, per_image: int, names: Sequence[str | None]
) -> Iterator[tuple[Scene, dict[str, Any]]]:
    """Each scene with its line of `captions.jsonl`."""
    drawn = scenes(count, seed)
    described = captions(drawn, seed, per_image)
    for index, (scene, descriptions, split) in enumerate(zip(drawn, described, names, strict=True)):
        record: dict[str, Any] = {
            "id": f"scene-{index:06d}",
            "image": f"images/{index:06d}.png",
            "captions": [description.text for description in descriptions],
            "meta": {"scene": scene.to_json(), "descriptions": [each.to_json() for each in descriptions]},
        }
        yield scene, record if split is None else {**record, "split": split}


def _fill(
    directory: Path,
    records: Iterator[tuple[Scene, dict[str, Any]]],
    count: int,
    side: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    (directory / "images").mkdir()
    with (directory / "captions.jsonl").open("w", encoding="utf-8") as lines:
        for written, (scene, record) in enumerate(records, start=1):
            (directory / record["image"]).write_bytes(encode_png(render(scene, side)))
            lines.write(json.dumps(record, separators=(",", ":")) + "\n")
            if progress is not None:
                progress(written, count)
