"""Flickr8k (Hodosh et al., JAIR 2013) and Flickr30k (Young et al., TACL 2014).

Captions and splits come from the JSON file of Karpathy and Fei-Fei where it is there, or else from the token file of
the authors, whose lines are `name.jpg#0<TAB>caption`. With the token file of Flickr8k the splits are those of its lists
`Flickr_8k.trainImages.txt`, `.devImages.txt` (here `val`) and `.testImages.txt`; images that are in none of them, and
all images where there are no lists, have no split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from corpus.manifest import Entry
from corpus.readers import checks, karpathy
from corpus.readers.checks import BadEntryError, KnownFlawError, refuse
from corpus.readers.files import first_file, first_folder, memberships, numbered_lines
from corpus.readers.reader import Draft, Reader
from models.errors import CorpusError

# Flickr8k.token.txt has captions for this name, and Flickr8k_Dataset.zip has no such image.
WITHOUT_IMAGE: Final = "2258277193_586949ec62.jpg.1"

Pictures = Callable[[str], Path]


@dataclass(frozen=True)
class Version:
    """The names of the files of one of the two.

    `folders` are its own image folders, by which it is recognised; `texts` the folders that captions and lists lie in.
    """

    name: str
    json: str
    token: str
    folders: tuple[str, ...]
    images_source: str
    captions_source: str
    texts: tuple[str, ...] = (".",)
    lists: Mapping[str, str] = field(default_factory=dict)


def recognise(version: Version, directory: Path) -> bool:
    """Whether the folder holds captions, lists or the image folder of this version."""
    texts = (version.json, version.token, *version.lists.values())
    return any(_text(version, directory, name) for name in texts) or bool(
        first_folder(directory / name for name in version.folders)
    )


def has_images(version: Version, directory: Path) -> bool:
    """Whether the folder holds an image folder that this version may lie in."""
    return _images(version, directory) is not None


def read(version: Version, directory: Path) -> Iterator[Draft]:
    """The images in the order of their captions; an id is the file's name without suffix.

    Raises:
        CorpusError: the captions, the image folder or one of the lists is missing, or a file is damaged.
    """
    listed, token = _text(version, directory, version.json), _text(version, directory, version.token)
    if listed is None and token is None:
        sources = f"{version.json} ({karpathy.SOURCE}) or {version.token} ({version.captions_source})"
        raise CorpusError(f"{directory} holds no captions of {version.name}; put {sources} there.")
    folder = _images(version, directory)
    if folder is None:
        names = ", ".join(_folder_names(version))
        raise CorpusError(f"{directory} holds no image folder ({names}); it is part of {version.images_source}.")
    pictures = partial(checks.image, folder, source=version.images_source)
    if listed is not None:
        for where, image in karpathy.images(listed):
            yield Draft(where, partial(_listed, pictures, image))
    elif token is not None:
        yield from _tokens(version, token, _splits(version, directory), pictures)


_FLICKR8K: Final = Version(
    name="Flickr8k",
    json="dataset_flickr8k.json",
    token="Flickr8k.token.txt",
    folders=("Flicker8k_Dataset", "Flickr8k_Dataset"),
    images_source="Flickr8k_Dataset.zip, asked for at https://forms.illinois.edu/sec/1713398",
    captions_source="Flickr8k_text.zip, asked for at https://forms.illinois.edu/sec/1713398",
    texts=(".", "Flickr8k_text"),
    lists={
        "train": "Flickr_8k.trainImages.txt",
        "val": "Flickr_8k.devImages.txt",
        "test": "Flickr_8k.testImages.txt",
    },
)
_FLICKR30K: Final = Version(
    name="Flickr30k",
    json="dataset_flickr30k.json",
    token="results_20130124.token",
    folders=("flickr30k-images", "flickr30k_images"),
    images_source="flickr30k-images.tar of https://shannon.cs.illinois.edu/DenotationGraph/",
    captions_source="flickr30k.tar.gz of https://shannon.cs.illinois.edu/DenotationGraph/",
)


def _reader(version: Version) -> Reader:
    return Reader(version.name, partial(recognise, version), partial(has_images, version), partial(read, version))


FLICKR8K: Final = _reader(_FLICKR8K)
FLICKR30K: Final = _reader(_FLICKR30K)


def _folder_names(version: Version) -> tuple[str, ...]:
    return (*version.folders, "images", "Images")


def _images(version: Version, directory: Path) -> Path | None:
    return first_folder(directory / name for name in _folder_names(version))


def _text(version: Version, directory: Path, name: str) -> Path | None:
    """A file of captions or names."""
    return first_file(directory / folder / name for folder in version.texts)


def _listed(pictures: Pictures, image: Any) -> Entry:
    name = karpathy.file_name(image)
    captions, split = karpathy.captions(image), karpathy.split(image)
    return Entry(id=PurePosixPath(name).stem, image=pictures(name), captions=captions, split=split)


def _tokens(version: Version, path: Path, splits: Mapping[str, str], pictures: Pictures) -> Iterator[Draft]:
    found: dict[str, tuple[int, list[str]]] = {}
    for number, line in numbered_lines(path, version.captions_source):
        name, caption = line.partition("\t")[0].rpartition("#")[0], line.partition("\t")[2].strip()
        if name and caption:
            found.setdefault(name, (number, []))[1].append(caption)
        else:
            yield Draft(f"{path}, line {number}", partial(refuse, "not an image, #, a number, a tab and a caption"))
    for name, (number, captions) in found.items():
        yield Draft(f"{path}, line {number}", partial(_token, pictures, name, tuple(captions), splits.get(name)))
    for name, split in splits.items():
        if name not in found:
            yield Draft(str(path), partial(refuse, f"no caption of {name!r}, which {version.lists[split]} lists"))


def _token(pictures: Pictures, name: str, captions: tuple[str, ...], split: str | None) -> Entry:
    try:
        return Entry(id=PurePosixPath(name).stem, image=pictures(name), captions=captions, split=split)
    except BadEntryError:
        if name == WITHOUT_IMAGE:
            raise KnownFlawError(f"the image {name!r} has captions, but is not in the published archive") from None
        raise


def _splits(version: Version, directory: Path) -> dict[str, str]:
    lists = {split: _text(version, directory, name) for split, name in version.lists.items()}
    there = {split: path for split, path in lists.items() if path is not None}
    missing = " and ".join(version.lists[split] for split in lists if split not in there)
    if there and missing:
        raise CorpusError(
            f"{directory} holds lists of a split but not {missing}; take it from {version.captions_source}."
        )
    return memberships(there, version.captions_source)
