"""Which reader a folder is given to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.manifest import Entry
from corpus.read import read
from models.errors import CorpusError

Draw = Callable[[Path], None]

KARPATHY = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")
FOLDERS = ("val2014", "Flicker8k_Dataset", "flickr30k-images")


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A folder where Karpathy's archive was unpacked: captions of three data sets, each of one image `1.jpg`."""
    for file in KARPATHY:
        sentences = [{"raw": f"from {file}", "sentid": 7, "tokens": ["from"]}]
        image = {"filename": "1.jpg", "split": "test", "sentences": sentences, "filepath": "val2014", "cocoid": 3}
        (tmp_path / file).write_text(json.dumps({"images": [image]}))
    return tmp_path


@pytest.mark.parametrize(("file", "folder"), list(zip(KARPATHY, FOLDERS, strict=True)))
def test_the_images_say_which_captions_are_meant(captions: Path, draw: Draw, file: str, folder: str) -> None:
    """Where captions of three data sets lie, those are read whose images lie beside them."""
    draw(captions / folder / "1.jpg")
    [entry] = read(captions).entries
    assert (entry.captions, entry.image) == ((f"from {file}",), captions / folder / "1.jpg")


def test_captions_of_several_without_a_sign_are_refused(captions: Path, draw: Draw) -> None:
    """Captions of several data sets, and no images or images that may be of either, raise CorpusError naming them."""
    with pytest.raises(CorpusError, match=r"MS-COCO captions and Flickr8k and Flickr30k; keep the files of one"):
        read(captions)
    draw(captions / "images" / "1.jpg")
    with pytest.raises(CorpusError, match=r"parts of Flickr8k and Flickr30k; keep the files of one"):
        read(captions)


def test_own_captions_come_first(captions: Path, draw: Draw) -> None:
    """A `captions.jsonl` in a published folder is what is read."""
    draw(captions / "val2014" / "1.jpg")
    line = {"id": "own", "image": "val2014/1.jpg", "captions": ["mine"]}
    (captions / "captions.jsonl").write_text(json.dumps(line))
    assert read(captions).entries == (Entry("own", captions / "val2014/1.jpg", ("mine",)),)


@pytest.mark.parametrize("file", ["images.txt", "classes.txt", "train.txt", "captions.txt"])
def test_files_of_common_names_are_no_sign(tmp_path: Path, draw: Draw, file: str) -> None:
    """A folder of images with a file that a data set may have too stays a bare folder."""
    (tmp_path / file).write_text("1 a.png\n")
    draw(tmp_path / "images" / "a.png")
    assert read(tmp_path).entries == (Entry("images/a", tmp_path / "images/a.png"),)
