"""MS-COCO captions: a miniature of the archives as they are published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpus.manifest import Entry
from corpus.read import read
from models.errors import CorpusError

Draw = Callable[[Path], None]

SPLITS = {
    57870: ("train2014", "train"),
    391895: ("val2014", "test"),
    60623: ("val2014", "restval"),
    5: ("val2014", "val"),
}


def described(number: int) -> dict[str, Any]:
    """An image as Karpathy's file describes it."""
    folder, split = SPLITS[number]
    sentences = [
        {"tokens": ["a", "thing"], "raw": f"A thing {number}.\n", "imgid": 0, "sentid": 10 * number + place}
        for place in (3, 1)
    ]
    return {
        "filepath": folder,
        "sentids": [sentence["sentid"] for sentence in sentences],
        "filename": f"COCO_{folder}_{number:012}.jpg",
        "imgid": 0,
        "split": split,
        "sentences": sentences,
        "cocoid": number,
    }


@pytest.fixture
def images() -> list[dict[str, Any]]:
    """What is in Karpathy's file."""
    return [described(number) for number in SPLITS]


@pytest.fixture
def folder(tmp_path: Path, draw: Draw, images: list[dict[str, Any]]) -> Path:
    """A folder with the captions and both image folders."""
    write(tmp_path, images)
    for image in images:
        draw(tmp_path / image["filepath"] / image["filename"])
    return tmp_path


def write(folder: Path, images: list[Any]) -> None:
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))


def write_instances(folder: Path, name: str, pairs: list[tuple[int, int]]) -> None:
    """The instances of an image folder, in the members that COCO's file has."""
    annotations = [
        {
            "segmentation": [[1.5, 2]],
            "area": 2.0,
            "iscrowd": 0,
            "image_id": i,
            "bbox": [0, 0, 1, 1],
            "category_id": c,
            "id": 1,
        }
        for i, c in pairs
    ]
    (folder / "annotations").mkdir(exist_ok=True)
    path = folder / "annotations" / f"instances_{name}.json"
    path.write_text(json.dumps({"info": {}, "images": [{"id": 5}], "annotations": annotations, "categories": []}))


def test_every_field_of_an_entry(folder: Path) -> None:
    """Captions in their order with the ids of COCO beside them; nothing is left out."""
    corpus = read(folder)
    assert corpus.skipped == ()
    assert [entry.meta["cocoid"] for entry in corpus.entries] == list(SPLITS)
    assert corpus.entries[1] == Entry(
        "COCO_val2014_000000391895",
        folder / "val2014" / "COCO_val2014_000000391895.jpg",
        ("A thing 391895.", "A thing 391895."),
        split="test",
        meta={"cocoid": 391895, "sentids": [3918953, 3918951]},
    )


def test_restval_is_trained_on(folder: Path) -> None:
    """The splits are those of Karpathy, with restval in train."""
    corpus = read(folder)
    splits = {name: [entry.meta["cocoid"] for entry in corpus.split(name).entries] for name in ("train", "val", "test")}
    assert splits == {"train": [57870, 60623], "val": [5], "test": [391895]}


def test_images_may_lie_in_a_folder_of_their_own(folder: Path) -> None:
    """train2014 and val2014 can be in images/."""
    (folder / "images").mkdir()
    for name in ("train2014", "val2014"):
        (folder / name).rename(folder / "images" / name)
    assert read(folder).entries[0].image.is_relative_to(folder / "images" / "train2014")


def test_instances_give_sorted_categories(folder: Path) -> None:
    """Categories are in meta, each once and sorted, of the folders whose instances are there; none is an empty list."""
    write_instances(folder, "val2014", [(391895, 90), (391895, 7), (391895, 90), (5, 90), (57870, 2)])
    found = {entry.meta["cocoid"]: entry.meta.get("categories") for entry in read(folder).entries}
    assert found == {57870: None, 391895: [7, 90], 60623: [], 5: [90]}
    write_instances(folder, "train2014", [(57870, 7)])
    assert read(folder).entries[0].meta["categories"] == [7]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"annotations": 3}', '{"annotations": [{"image_id": 1}]}'])
def test_damaged_instances_are_refused(folder: Path, content: str) -> None:
    """A file of instances that is none raises CorpusError with its archive."""
    write_instances(folder, "val2014", [])
    (folder / "annotations" / "instances_val2014.json").write_text(content)
    with pytest.raises(
        CorpusError, match=r"instances_val2014\.json is .* from annotations_trainval2014\.zip of https://coco"
    ):
        read(folder)


def test_missing_captions_are_named_with_their_source(folder: Path) -> None:
    """Image folders of COCO without captions raise one sentence with the path and the archive."""
    (folder / "dataset_coco.json").unlink()
    with pytest.raises(
        CorpusError, match=r"dataset_coco\.json is missing; it is part of caption_datasets\.zip of .*\.$"
    ):
        read(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3}', "\xff"])
def test_damaged_captions_are_refused(folder: Path, content: str) -> None:
    """A file of captions that is none raises CorpusError with its archive."""
    (folder / "dataset_coco.json").write_text(content, encoding="latin-1")
    with pytest.raises(CorpusError, match=r"dataset_coco\.json (is|has) no.* from caption_datasets\.zip"):
        read(folder)


def test_a_missing_image_folder_is_named_or_its_images_listed(folder: Path) -> None:
    """Without train2014 the error names it and its archive; with skip_bad its images are listed and the others read."""
    shutil.rmtree(folder / "train2014")
    with pytest.raises(
        CorpusError, match=r"the folder .*/train2014 does not exist \(it is part of train2014\.zip of https"
    ):
        read(folder)
    corpus = read(folder, skip_bad=True)
    assert [entry.split for entry in corpus.entries] == ["test", "train", "val"]
    assert len(corpus.skipped) == 1
    shutil.rmtree(folder / "val2014")
    with pytest.raises(CorpusError, match=r"no usable image; the first of 4 .*train2014 does not exist"):
        read(folder, skip_bad=True)


def test_an_absent_image_is_named_or_listed(folder: Path) -> None:
    """An image file that is absent is named with its archive, or listed with skip_bad."""
    (folder / "val2014" / "COCO_val2014_000000000005.jpg").unlink()
    with pytest.raises(
        CorpusError, match=r"image 4: the image .*0005\.jpg does not exist \(it is part of val2014\.zip"
    ):
        read(folder)
    corpus = read(folder, skip_bad=True)
    assert len(corpus.entries) == 3
    assert [problem.where for problem in corpus.skipped] == [f"{folder / 'dataset_coco.json'}, image 4"]


BAD: list[tuple[Any, str]] = [
    (None, "'filename' is missing"),
    ({"filename": 3}, "'filename' is not a text"),
    ({"filepath": "../val2014"}, "lies outside"),
    ({"filepath": None}, "'filepath' is not a text"),
    ({"cocoid": "5"}, "'cocoid' is not a whole number"),
    ({"cocoid": True}, "'cocoid' is not a whole number"),
    ({"split": "train2014"}, "the split 'train2014' is none of train, restval, val, test"),
    ({"split": ["val"]}, "is none of"),
    ({"sentences": 3}, "'sentences' is not a list"),
    ({"sentences": []}, "'captions' is not a list with at least one"),
    ({"sentences": ["a"]}, "is missing"),
    ({"sentences": [{"raw": "a"}]}, "'sentid' is missing"),
    ({"sentences": [{"raw": " ", "sentid": 1}]}, "caption 1 is not a text with words"),
    ({"sentences": [{"raw": "\ud800", "sentid": 1}]}, "surrogate"),
]


@pytest.mark.parametrize(("change", "what"), BAD)
def test_a_bad_entry_is_named_or_listed(folder: Path, images: list[dict[str, Any]], change: Any, what: str) -> None:
    """Whatever an image says wrongly is named with its place; with skip_bad it alone is left out, and listed."""
    write(folder, [images[0], change if change is None else images[3] | change, images[1]])
    with pytest.raises(CorpusError, match=r"dataset_coco\.json, image 2: ") as caught:
        read(folder)
    assert what in str(caught.value)
    corpus = read(folder, skip_bad=True)
    assert [entry.meta["cocoid"] for entry in corpus.entries] == [57870, 391895]
    assert len(corpus.skipped) == 1
