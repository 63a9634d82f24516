"""The captions and splits of Karpathy and Fei-Fei (CVPR 2015): `dataset_coco.json` and its like for Flickr.

The file is an object whose `images` each have a `filename`, a `split` and `sentences`, of which `raw` is the caption
and `sentid` its number; those of COCO also a `filepath` (the folder) and a `cocoid`. The split `restval`, the part of
COCO's validation images that is neither in `val` nor in `test`, counts as `train`, as in VSE++ (Faghri et al., BMVC
2018) and PCME (Chun et al., CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from corpus.readers import checks
from corpus.readers.checks import require
from corpus.readers.files import read_json
from models.errors import CorpusError

SOURCE: Final = "caption_datasets.zip of https://cs.stanford.edu/people/karpathy/deepimagesent/"
SPLITS: Final = {"train": "train", "restval": "train", "val": "val", "test": "test"}


def images(path: Path) -> Iterator[tuple[str, Any]]:
    """Where each image is listed, and what is said of it; `CorpusError` where the file is no such list."""
    listed = read_json(path, SOURCE, leaving_out=["tokens"]).get("images")
    if not isinstance(listed, list):
        raise CorpusError(f"{path} has no list 'images'; take it again from {SOURCE}.")
    for number, image in enumerate(listed, start=1):
        yield f"{path}, image {number}", image


def member(image: Any, name: str) -> Any:
    """What an image says under a name; `BadEntryError` where it says nothing."""
    require(isinstance(image, dict) and name in image, f"{name!r} is missing")
    return image[name]


def whole_number(image: Any, name: str) -> int:
    """The whole number that an image, or a sentence, says under a name; `BadEntryError` where it is none."""
    value = member(image, name)
    require(isinstance(value, int) and not isinstance(value, bool), f"{name!r} is not a whole number")
    return int(value)


def file_name(image: Any) -> str:
    """The name of the image's file."""
    return checks.text(member(image, "filename"), "filename")


def split(image: Any) -> str:
    """`train`, `val` or `test`; `BadEntryError` where the image names another split."""
    name = member(image, "split")
    require(isinstance(name, str) and name in SPLITS, f"the split {name!r} is none of {', '.join(SPLITS)}")
    return SPLITS[name]


def captions(image: Any) -> tuple[str, ...]:
    """The captions as they were written, without blanks around them."""
    written = checks.captions([member(sentence, "raw") for sentence in _sentences(image)])
    return tuple(caption.strip() for caption in written)


def caption_numbers(image: Any) -> list[int]:
    """The `sentid` of each caption, in the order of `captions`; in COCO it is the id of the annotation."""
    return [whole_number(sentence, "sentid") for sentence in _sentences(image)]


def _sentences(image: Any) -> list[Any]:
    value = member(image, "sentences")
    require(isinstance(value, list), "'sentences' is not a list")
    return list(value)
