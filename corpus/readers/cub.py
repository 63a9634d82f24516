"""CUB Captions: the birds of CUB-200-2011 (Wah et al., 2011) with ten captions each by Reed et al. (CVPR 2016).

The folder is `CUB_200_2011` itself or the one that holds it; the captions are its `text_c10`, or `text_c10` in a folder
`cvpr2016_cub`, in either of the two. The split is by classes, so that those of the test are unseen: see
`corpus.readers.cub_split`. The train/test split that comes with CUB-200-2011 shares its classes and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from corpus.manifest import Entry
from corpus.readers import checks
from corpus.readers.checks import BadEntryError, require
from corpus.readers.cub_split import REED, ClassSplit, class_split
from corpus.readers.files import first_folder, numbered_lines, require_file, require_folder
from corpus.readers.reader import Draft, Reader
from models.errors import CorpusError

IMAGES: Final = "CUB_200_2011.tgz of https://www.vision.caltech.edu/datasets/cub_200_2011/"
TABLES: Final = ("images.txt", "image_class_labels.txt", "classes.txt")
FIRST_CLASS: Final = "001.Black_footed_Albatross"


def recognise(directory: Path) -> bool:
    """Whether the folder holds two of the tables of CUB-200-2011, or the captions of its first class."""
    captions = _captions_folder(directory)
    # One table alone is no sign: others call a file classes.txt or images.txt too.
    tables = sum((_root(directory) / name).is_file() for name in TABLES)
    return tables >= 2 or (captions is not None and (captions / FIRST_CLASS).is_dir())


def has_images(directory: Path) -> bool:
    """Whether the folder holds the images of CUB-200-2011."""
    return (_root(directory) / "images").is_dir()


def read(directory: Path) -> Iterator[Draft]:
    """The images in the order of `images.txt`; an id is the path in `images/` without suffix, the label the class.

    Raises:
        CorpusError: a table, the images or the captions are missing, or the class lists are incomplete.
    """
    root = _root(directory)
    images, labels, classes = (require_file(root / name, IMAGES) for name in TABLES)
    captions = _captions_folder(directory)
    if captions is None:
        raise CorpusError(
            f"{directory / 'text_c10'} is missing; it is part of {REED} "
            f"(to read the images without captions, name {root / 'images'})."
        )
    folder = _Folder(
        images=require_folder(root / "images", IMAGES),
        captions=captions,
        labels=_table(labels),
        classes=_table(classes),
        split=class_split([directory, root, captions.parent]),
    )
    for number, line in numbered_lines(images, IMAGES):
        yield Draft(f"{images}, line {number}", partial(_entry, folder, line))


READER: Final = Reader("CUB Captions", recognise, has_images, read)


@dataclass(frozen=True)
class _Folder:
    """Where images and captions lie; the class number of each image number, and the name of each class number."""

    images: Path
    captions: Path
    labels: Mapping[str, str]
    classes: Mapping[str, str]
    split: ClassSplit


def _root(directory: Path) -> Path:
    inner = directory / "CUB_200_2011"
    return inner if inner.is_dir() else directory


def _captions_folder(directory: Path) -> Path | None:
    parents = (directory, _root(directory))
    return first_folder(place / "text_c10" for parent in parents for place in (parent, parent / "cvpr2016_cub"))


def _table(path: Path) -> dict[str, str]:
    """The rest of each line by its first word."""
    parts = (line.partition(" ") for _, line in numbered_lines(path, IMAGES))
    return {first: rest.strip() for first, _, rest in parts}


def _entry(folder: _Folder, line: str) -> Entry:
    number, _, name = line.partition(" ")
    name = name.strip()
    require(bool(name), "not a number and the name of an image")
    label = folder.labels.get(number, "")
    require(label.isdecimal() and label in folder.classes, f"the image {name!r} has no class")
    return Entry(
        id=str(PurePosixPath(name).with_suffix("")),
        image=checks.image(folder.images, name, IMAGES),
        captions=_captions(folder.captions / PurePosixPath(name).with_suffix(".txt")),
        label=folder.classes[label],
        split=folder.split.of(int(label), name),
    )


def _captions(path: Path) -> tuple[str, ...]:
    require(path.is_file(), f"the captions {path} do not exist (they are part of {REED})")
    try:
        captions = tuple(line for _, line in numbered_lines(path, REED))
    except CorpusError as error:
        raise BadEntryError(str(error).removesuffix(".")) from None
    require(bool(captions), f"there is no caption in {path}")
    return captions
