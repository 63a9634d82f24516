"""MS-COCO captions (Chen et al., 2015; images of Lin et al., ECCV 2014) in the splits of Karpathy and Fei-Fei.

In the folder lie `dataset_coco.json` and the image folders `train2014/` and `val2014/` (or both in `images/`). Where
`annotations/instances_train2014.json` or `annotations/instances_val2014.json` is there, the categories of the objects
in an image are read too: plausible matches (PMRP; Musgrave et al., ECCV 2020; Chun et al., CVPR 2021) are defined by
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from corpus.manifest import Entry
from corpus.readers import checks, karpathy
from corpus.readers.files import read_json, require_file
from corpus.readers.reader import Draft, Reader
from models.errors import CorpusError

CAPTIONS: Final = "dataset_coco.json"
FOLDERS: Final = ("train2014", "val2014")
PAGE: Final = "https://cocodataset.org/#download"
ANNOTATIONS: Final = f"annotations_trainval2014.zip of {PAGE}"


def recognise(directory: Path) -> bool:
    """Whether the folder holds COCO's captions or one of its image folders."""
    return (directory / CAPTIONS).is_file() or has_images(directory)


def has_images(directory: Path) -> bool:
    """Whether the folder holds one of COCO's image folders."""
    return any((_base(directory) / name).is_dir() for name in FOLDERS)


def read(directory: Path) -> Iterator[Draft]:
    """The images in the order of `dataset_coco.json`.

    An id is the file's name without suffix. `meta` holds the ids of COCO, which the ECCV Caption benchmark (Chun et
    al., ECCV 2022) goes by: `cocoid` of the image and `sentids` of its captions, in their order; and `categories`, the
    sorted category ids of the objects in the image, where the instances of its folder are there.

    Raises:
        CorpusError: a file is missing or damaged.
    """
    path = require_file(directory / CAPTIONS, karpathy.SOURCE)
    folder = _Folder(_base(directory), _categories(directory / "annotations"))
    for where, image in karpathy.images(path):
        yield Draft(where, partial(_entry, folder, image))


READER: Final = Reader("MS-COCO captions", recognise, has_images, read)


@dataclass(frozen=True)
class _Folder:
    """Where the image folders lie, and by folder and `cocoid` what is in their images."""

    base: Path
    categories: Mapping[str, Mapping[int, set[int]]]


def _base(directory: Path) -> Path:
    bases = (directory, directory / "images")
    return next((base for base in bases for name in FOLDERS if (base / name).is_dir()), directory)


def _entry(folder: _Folder, image: Any) -> Entry:
    name = karpathy.file_name(image)
    part = checks.text(karpathy.member(image, "filepath"), "filepath")
    number = karpathy.whole_number(image, "cocoid")
    meta: dict[str, Any] = {"cocoid": number, "sentids": karpathy.caption_numbers(image)}
    if part in folder.categories:
        meta["categories"] = sorted(folder.categories[part].get(number, ()))
    return Entry(
        id=PurePosixPath(name).stem,
        image=checks.image(folder.base, f"{part}/{name}", f"{part}.zip of {PAGE}"),
        captions=karpathy.captions(image),
        split=karpathy.split(image),
        meta=meta,
    )


def _categories(annotations: Path) -> dict[str, dict[int, set[int]]]:
    """By image folder and `cocoid`, the category ids of the objects; only of folders whose instances are there."""
    paths = {name: annotations / f"instances_{name}.json" for name in FOLDERS}
    return {name: _instances(path) for name, path in paths.items() if path.is_file()}


def _instances(path: Path) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    try:
        for instance in read_json(path, ANNOTATIONS, leaving_out=["segmentation", "bbox"])["annotations"]:
            found.setdefault(int(instance["image_id"]), set()).add(int(instance["category_id"]))
    except (KeyError, TypeError, ValueError):
        raise CorpusError(f"{path} is no list of COCO's instances; take it again from {ANNOTATIONS}.") from None
    return found
