"""Flickr8k and Flickr30k: miniatures with Karpathy's file, and with the authors' token files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.manifest import Entry, Problem
from corpus.read import read
from models.errors import CorpusError

Draw = Callable[[Path], None]

NAMES = (
    "1000268201_693b08cb0e.jpg",
    "1001773457_577c3a7d70.jpg",
    "1002674143_1b742ab4b8.jpg",
    "990890291_afc72be141.jpg",
)
LISTS = ("Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt", "Flickr_8k.testImages.txt")
JSON = {"8k": "dataset_flickr8k.json", "30k": "dataset_flickr30k.json"}
TOKEN = {"8k": "Flickr8k.token.txt", "30k": "results_20130124.token"}
FOLDER = {"8k": "Flicker8k_Dataset", "30k": "flickr30k-images"}


@pytest.fixture(params=["8k", "30k"])
def version(request: pytest.FixtureRequest) -> str:
    """Which of the two."""
    return str(request.param)


@pytest.fixture
def pictures(tmp_path: Path, draw: Draw, version: str) -> Path:
    """A folder with four images in the folder of their archive, and nothing else yet."""
    for name in NAMES:
        draw(tmp_path / FOLDER[version] / name)
    return tmp_path


@pytest.fixture
def karpathy(pictures: Path, version: str) -> Path:
    """With the captions of Karpathy, for the first three."""
    images = [
        {"sentids": [0, 1], "imgid": 0, "split": split, "filename": name, "sentences": [
            {"tokens": ["a"], "raw": f"A dog {number} .", "imgid": 0, "sentid": number} for number in (0, 1)
        ]}
        for name, split in zip(NAMES, ("train", "val", "test"), strict=False)
    ]  # fmt: skip
    (pictures / JSON[version]).write_text(json.dumps({"images": images, "dataset": f"flickr{version}"}))
    return pictures


@pytest.fixture
def tokens(pictures: Path, version: str) -> Path:
    """With the token file of the authors, for all four."""
    lines = [f"{name}#{number}\tA dog – {number} ." for name in NAMES for number in (0, 1)]
    (pictures / TOKEN[version]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pictures


@pytest.fixture
def lists(tokens: Path) -> Path:
    """With the lists of Flickr8k, which name the first three."""
    for file, name in zip(LISTS, NAMES, strict=False):
        (tokens / file).write_text(f"{name}\n")
    return tokens


def test_karpathy_gives_every_field(karpathy: Path, version: str) -> None:
    """Captions and splits are those of Karpathy's file, in its order; nothing is left out."""
    corpus = read(karpathy)
    assert corpus.skipped == ()
    assert [entry.id for entry in corpus.entries] == [name.removesuffix(".jpg") for name in NAMES[:3]]
    assert corpus.split("test").entries == (
        Entry("1002674143_1b742ab4b8", karpathy / FOLDER[version] / NAMES[2], ("A dog 0 .", "A dog 1 ."), split="test"),
    )


def test_karpathy_comes_before_the_token_file(karpathy: Path, tokens: Path) -> None:
    """Where both are there, the file that knows the splits is read."""
    assert len(read(tokens).entries) == 3


def test_tokens_without_lists_have_no_split(tokens: Path, version: str) -> None:
    """The token file alone gives images with their captions in order, and no split."""
    corpus = read(tokens)
    assert corpus.skipped == ()
    assert [entry.split for entry in corpus.entries] == [None] * 4
    picture = tokens / FOLDER[version] / NAMES[0]
    assert corpus.entries[0] == Entry("1000268201_693b08cb0e", picture, ("A dog – 0 .", "A dog – 1 ."))
    with pytest.raises(CorpusError, match="name no split"):
        corpus.split("test")


@pytest.mark.parametrize("version", ["8k"], indirect=True)
@pytest.mark.parametrize("place", [".", "Flickr8k_text"])
def test_lists_of_flickr8k_are_its_splits(lists: Path, place: str) -> None:
    """devImages is val; an image in no list has no split; the texts may lie in the folder of their archive."""
    (lists / place).mkdir(exist_ok=True)
    for name in (*LISTS, TOKEN["8k"]):
        (lists / name).rename(lists / place / name)
    corpus = read(lists)
    assert [entry.split for entry in corpus.entries] == ["train", "val", "test", None]
    assert [entry.image.name for entry in corpus.split("test").entries] == [NAMES[2]]


@pytest.mark.parametrize("name", ["images", "Images"])
def test_the_image_folder_may_have_a_common_name(karpathy: Path, version: str, name: str) -> None:
    """Images are found in images/ too."""
    (karpathy / FOLDER[version]).rename(karpathy / name)
    assert read(karpathy).entries[0].image.parent.name == name


SOURCES = {
    "8k": ("Flickr8k_text.zip, asked for at https://", "Flickr8k_Dataset.zip, asked for at https://"),
    "30k": ("flickr30k.tar.gz of https://shannon", "flickr30k-images.tar of https://shannon"),
}


def test_missing_captions_are_named_with_their_sources(pictures: Path, version: str) -> None:
    """An image folder of Flickr without captions raises one sentence with both files and their archives."""
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=r"holds no captions of Flickr.*\.$") as caught:
            read(pictures, skip_bad=skip_bad)
        for part in (str(pictures), JSON[version], "caption_datasets.zip", TOKEN[version], SOURCES[version][0]):
            assert part in str(caught.value)


def test_missing_images_are_named_with_their_source(tokens: Path, version: str) -> None:
    """Captions without an image folder raise one sentence with the names it may have and its archive."""
    shutil.rmtree(tokens / FOLDER[version])
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=r"holds no image folder \(.*images, Images\)") as caught:
            read(tokens, skip_bad=skip_bad)
        assert SOURCES[version][1] in str(caught.value)
        assert str(tokens) in str(caught.value)


@pytest.mark.parametrize("version", ["8k"], indirect=True)
def test_an_incomplete_set_of_lists_is_refused(lists: Path) -> None:
    """Lists of which some are missing raise CorpusError naming those and their archive, also with skip_bad."""
    (lists / LISTS[1]).unlink()
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=r"but not Flickr_8k\.devImages\.txt; take it from Flickr8k_text\.zip"):
            read(lists, skip_bad=skip_bad)


@pytest.mark.parametrize("version", ["8k"], indirect=True)
def test_an_image_in_two_lists_is_refused(lists: Path) -> None:
    """An image that is in two lists would be trained on and tested on: CorpusError."""
    (lists / LISTS[2]).write_text(f"{NAMES[2]}\n{NAMES[0]}\n")
    with pytest.raises(
        CorpusError, match=r"testImages\.txt, line 2: '1000268201_693b08cb0e\.jpg' is in the split 'train'"
    ):
        read(lists)


@pytest.mark.parametrize("kind", ["karpathy", "tokens"])
def test_an_absent_image_is_named_or_listed(request: pytest.FixtureRequest, version: str, kind: str) -> None:
    """An image file that is absent is named with its archive, or listed with skip_bad."""
    folder: Path = request.getfixturevalue(kind)
    (folder / FOLDER[version] / NAMES[1]).unlink()
    with pytest.raises(CorpusError, match=r"(image 2|line 3): the image .*577c3a7d70\.jpg does not exist") as caught:
        read(folder)
    assert SOURCES[version][1] in str(caught.value)
    corpus = read(folder, skip_bad=True)
    assert NAMES[1] not in [entry.image.name for entry in corpus.entries]
    assert len(corpus.skipped) == 1


@pytest.mark.parametrize("line", ["no tab", "1.jpg\tno number", "\tno name", f"{NAMES[0]}#2\t ", f"{NAMES[0]}#2"])
def test_a_bad_token_line_is_named_or_listed(tokens: Path, version: str, line: str) -> None:
    """A line of another form is named with its number; with skip_bad it alone is left out, and listed."""
    path = tokens / TOKEN[version]
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r", line 10: not an image, #, a number, a tab and a caption; "):
        read(tokens)
    corpus = read(tokens, skip_bad=True)
    assert [len(entry.captions) for entry in corpus.entries] == [2] * 4
    assert len(corpus.skipped) == 1


@pytest.mark.parametrize("version", ["8k"], indirect=True)
def test_a_listed_image_without_captions_is_named_or_listed(lists: Path) -> None:
    """An image that a list names and the token file does not is not dropped in silence."""
    (lists / LISTS[0]).write_text(f"{NAMES[0]}\n5.jpg\n")
    with pytest.raises(CorpusError, match=r"no caption of '5\.jpg', which Flickr_8k\.trainImages\.txt lists"):
        read(lists)
    assert [problem.where for problem in read(lists, skip_bad=True).skipped] == [str(lists / TOKEN["8k"])]


@pytest.mark.parametrize("version", ["8k"], indirect=True)
def test_the_known_flaw_of_flickr8k_is_listed_always(lists: Path) -> None:
    """The one image that has captions in the published file and is in no archive stops nobody, and is listed."""
    path = lists / TOKEN["8k"]
    path.write_text("2258277193_586949ec62.jpg.1#0\tPeople on bicycles .\n" + path.read_text(encoding="utf-8"))
    corpus = read(lists)
    assert len(corpus.entries) == 4
    what = "the image '2258277193_586949ec62.jpg.1' has captions, but is not in the published archive"
    assert corpus.skipped == (Problem(f"{path}, line 1", what),)


def test_bytes_that_are_no_text_are_refused(tokens: Path, version: str) -> None:
    """A token file that is not UTF-8 raises CorpusError with its archive."""
    (tokens / TOKEN[version]).write_bytes(b"1.jpg#0\t\xff\n")
    with pytest.raises(CorpusError, match="is not text in UTF-8; take it again from"):
        read(tokens)
