"""CUB Captions: a miniature of the two archives as they are published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.manifest import Entry
from corpus.read import read
from corpus.readers.cub_split import UNSEEN
from models.errors import CorpusError

Draw = Callable[[Path], None]

CLASSES = {1: "001.Black_footed_Albatross", 4: "004.Groove_billed_Ani", 151: "151.Black_capped_Vireo"}
IMAGES = {
    1: "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg",
    2: "001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg",
    3: "004.Groove_billed_Ani/Groove_Billed_Ani_0110_1653.jpg",
    4: "151.Black_capped_Vireo/Black_Capped_Vireo_0043_797458.jpg",
}
LABELS = {1: 1, 2: 1, 3: 4, 4: 151}


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """A folder in which both archives were unpacked, without the class lists of the second."""
    birds, reed = tmp_path / "CUB_200_2011", tmp_path / "cvpr2016_cub"
    for number, name in IMAGES.items():
        draw(birds / "images" / name)
        text = (reed / "text_c10" / name).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(f"bird {number}, caption {line} \n" for line in range(10)) + "\n")
    (reed / "text_c10" / "001.Black_footed_Albatross.t7").write_bytes(b"\x00")
    write_table(birds / "images.txt", IMAGES)
    write_table(birds / "image_class_labels.txt", LABELS)
    write_table(birds / "classes.txt", CLASSES)
    write_table(birds / "train_test_split.txt", {1: 1, 2: 0, 3: 1, 4: 0})
    return tmp_path


def write_table(path: Path, rows: dict[int, object]) -> None:
    path.write_text("".join(f"{number} {value}\n" for number, value in rows.items()))


def numbers(folder: Path, split: str) -> list[int]:
    """The numbers of the images in a split."""
    by_name = {name.removesuffix(".jpg"): number for number, name in IMAGES.items()}
    return [by_name[entry.id] for entry in read(folder).split(split).entries]


def test_every_field_of_an_entry(folder: Path) -> None:
    """Ids, classes and ten captions each, in the order of images.txt; nothing is left out."""
    corpus = read(folder)
    assert corpus.skipped == ()
    assert [entry.id + ".jpg" for entry in corpus.entries] == list(IMAGES.values())
    assert corpus.entries[2] == Entry(
        "004.Groove_billed_Ani/Groove_Billed_Ani_0110_1653",
        folder / "CUB_200_2011" / "images" / IMAGES[3],
        tuple(f"bird 3, caption {line}" for line in range(10)),
        "004.Groove_billed_Ani",
        "test",
    )


def test_without_lists_the_split_is_that_of_pcme(folder: Path) -> None:
    """Class 4 is one of the 50 unseen ones and class 151 is not, whatever CUB's own train/test split says."""
    assert len(UNSEEN) == 50
    assert numbers(folder, "test") == [3]
    assert numbers(folder, "train") == [1, 2, 4]
    with pytest.raises(CorpusError, match="no split 'val'"):
        read(folder).split("val")


def test_the_seen_test_images_of_pcme_are_kept_from_training(folder: Path) -> None:
    """Images in seen_test_images.txt are apart from training; those of unseen classes stay in the test."""
    (folder / "seen_test_images.txt").write_text(f"{IMAGES[2]}\n{IMAGES[3]}\n")
    assert numbers(folder, "train") == [1, 4]
    assert numbers(folder, "seen_test") == [2]
    assert numbers(folder, "test") == [3]


def write_lists(folder: Path, **lists: list[int]) -> None:
    for name, members in lists.items():
        (folder / f"{name}classes.txt").write_text("".join(f"{CLASSES[number]}\n" for number in members))


def test_class_lists_come_before_the_split_of_pcme(folder: Path) -> None:
    """The lists shipped with the captions make three splits; a class in none of them has no split."""
    write_lists(folder / "cvpr2016_cub", train=[4], val=[1], test=[], trainval=[1, 4])
    assert numbers(folder, "train") == [3]
    assert numbers(folder, "val") == [1, 2]
    assert [entry.split for entry in read(folder).entries] == ["val", "val", "train", None]


def test_lists_in_the_folder_itself_come_first(folder: Path) -> None:
    """Lists that a person put beside the archives are used, and not those in the archive."""
    write_lists(folder / "cvpr2016_cub", train=[4], val=[1], test=[151])
    write_lists(folder, trainval=[4, 151], test=[1])
    assert numbers(folder, "train") == [3, 4]
    assert numbers(folder, "test") == [1, 2]


@pytest.mark.parametrize(("lists", "what"), [
    ({"test": [1]}, r"not trainclasses\.txt and valclasses\.txt; add .*cvpr2016_cub.* or remove"),
    ({"train": [1], "test": [4]}, r"not valclasses\.txt"),
    ({"trainval": [1, 4], "test": [4]}, r"testclasses\.txt, line 1: '004\.Groove_billed_Ani' is in the split 'train'"),
])  # fmt: skip
def test_incomplete_lists_are_refused(folder: Path, lists: dict[str, list[int]], what: str) -> None:
    """Lists that make no whole split raise CorpusError, also with skip_bad."""
    write_lists(folder, **lists)
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=what):
            read(folder, skip_bad=skip_bad)


def test_a_list_of_no_classes_is_refused(folder: Path) -> None:
    """A class list without the classes' numbers raises CorpusError."""
    (folder / "trainvalclasses.txt").write_text("Albatross\n")
    (folder / "testclasses.txt").write_text("")
    with pytest.raises(CorpusError, match="'Albatross', which has no number"):
        read(folder)


@pytest.mark.parametrize("place", ["CUB_200_2011/text_c10", "CUB_200_2011/cvpr2016_cub/text_c10", "text_c10"])
def test_captions_may_lie_beside_or_inside(folder: Path, place: str) -> None:
    """The captions are found wherever they were put; CUB_200_2011 can be named itself when they are in it."""
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / "cvpr2016_cub" / "text_c10").rename(folder / place)
    named = folder / "CUB_200_2011" if place.startswith("CUB") else folder
    assert [len(entry.captions) for entry in read(named).entries] == [10] * 4


@pytest.mark.parametrize(("lost", "what"), [
    ("CUB_200_2011/images", r"CUB_200_2011/images is missing; it is part of CUB_200_2011\.tgz of https://www\.vision"),
    ("CUB_200_2011/images.txt", r"CUB_200_2011/images\.txt is missing; it is part of CUB_200_2011\.tgz"),
    ("CUB_200_2011/image_class_labels.txt", r"image_class_labels\.txt is missing; it is part of CUB_200_2011\.tgz"),
    ("CUB_200_2011/classes.txt", r"classes\.txt is missing; it is part of CUB_200_2011\.tgz"),
    ("CUB_200_2011", r"images\.txt is missing; it is part of CUB_200_2011\.tgz"),
    ("cvpr2016_cub/text_c10", r"text_c10 is missing; it is part of cvpr2016_cub, linked at https://github.com/reedscot"),
])  # fmt: skip
def test_a_missing_part_is_named_with_its_source(folder: Path, lost: str, what: str) -> None:
    """A part that is missing as a whole raises one sentence with its path and its archive, also with skip_bad."""
    path = folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=what) as caught:
            read(folder, skip_bad=skip_bad)
        assert str(caught.value).endswith(".")


BAD = [
    ("lose image", r"images\.txt, line 2: the image .*0009_34\.jpg does not exist \(it is part of CUB_200_2011\.tgz"),
    ("lose captions", r"line 2: the captions .*0009_34\.txt do not exist \(they are part of cvpr2016_cub"),
    ("empty captions", r"line 2: there is no caption in .*0009_34\.txt"),
    ("other bytes", r"line 2: .*0009_34\.txt is not text in UTF-8; take it again from cvpr2016_cub"),
    ("lose label", r"line 2: the image '001\..*0009_34\.jpg' has no class"),
    ("other line", r"line 2: not a number and the name of an image"),
    ("lead out", r"line 2: the image '\.\./\.\./x\.jpg' lies outside"),
    ("twice", r"line 2: the id '001.*0046_18' occurs twice"),
]


def damage(folder: Path, how: str) -> None:
    """Make the second of the four images a bad entry."""
    birds = folder / "CUB_200_2011"
    text = (folder / "cvpr2016_cub" / "text_c10" / IMAGES[2]).with_suffix(".txt")
    {
        "lose image": (birds / "images" / IMAGES[2]).unlink,
        "lose captions": text.unlink,
        "empty captions": lambda: text.write_text("\n \n"),
        "other bytes": lambda: text.write_bytes(b"\xff\n"),
        "lose label": lambda: write_table(birds / "image_class_labels.txt", LABELS | {2: "x"}),
        "other line": lambda: write_table(birds / "images.txt", IMAGES | {2: ""}),
        "lead out": lambda: write_table(birds / "images.txt", IMAGES | {2: "../../x.jpg"}),
        "twice": lambda: write_table(birds / "images.txt", IMAGES | {2: IMAGES[1]}),
    }[how]()


@pytest.mark.parametrize(("how", "what"), BAD)
def test_a_bad_entry_is_named_or_listed(folder: Path, how: str, what: str) -> None:
    """A bad entry raises one sentence; with skip_bad it alone is left out, and listed."""
    damage(folder, how)
    with pytest.raises(CorpusError, match=what):
        read(folder)
    corpus = read(folder, skip_bad=True)
    assert [f"{entry.id}.jpg" for entry in corpus.entries] == [IMAGES[1], IMAGES[3], IMAGES[4]]
    [problem] = corpus.skipped
    assert problem.where == f"{folder / 'CUB_200_2011' / 'images.txt'}, line 2"


def test_nothing_usable_says_what_was_wrong_first(folder: Path) -> None:
    """When every entry is bad, the error says how many there were and what was wrong with the first."""
    for name in IMAGES.values():
        (folder / "CUB_200_2011" / "images" / name).unlink()
    with pytest.raises(CorpusError, match=r"no usable image; the first of 4 .*images\.txt, line 1: the image"):
        read(folder, skip_bad=True)
