from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpus.manifest import Corpus, Entry, Problem
from corpus.read import read
from corpus.readers.jsonl import MANIFEST
from models.errors import CorpusError
from models.image import decode

GOOD = {"id": "one", "image": "images/1.png", "captions": ["a red flower", "a flower"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pictures and no captions yet."""
    (tmp_path / "images").mkdir()
    for number, colour in enumerate(["red", "blue"], start=1):
        buffer = BytesIO()
        Image.new("RGB", (4 * number, 4), colour).save(buffer, format="PNG")
        (tmp_path / "images" / f"{number}.png").write_bytes(buffer.getvalue())
    return tmp_path


def write(folder: Path, *lines: Any) -> None:
    """Lines given as text or bytes are written as they are, others as JSON."""
    raw = [
        line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    (folder / MANIFEST).write_bytes(b"\n".join(raw) + b"\n")


def test_read_gives_every_field(folder: Path) -> None:
    """A line's fields become an entry; a key of no meaning here is kept in meta, where meta's own keys come first."""
    second = {
        **GOOD,
        "id": "two",
        "image": "images/2.png",
        "label": "rose",
        "split": "test",
        "credit": "NASA",
        "x": 1,
    }
    write(folder, GOOD, "", {**second, "meta": {"x": [2]}})
    corpus = read(folder)
    assert corpus.root == folder
    assert corpus.skipped == ()
    assert corpus.entries == (
        Entry("one", folder / "images/1.png", ("a red flower", "a flower")),
        Entry(
            "two",
            folder / "images/2.png",
            ("a red flower", "a flower"),
            "rose",
            "test",
            {"credit": "NASA", "x": [2]},
        ),
    )
    assert decode(corpus.entries[1].image.read_bytes()).size == (8, 4)


def test_a_byte_order_mark_and_nulls_are_accepted(folder: Path) -> None:
    """A file saved with a byte order mark and explicit nulls for optional fields reads like one without."""
    write(folder, b"\xef\xbb\xbf" + json.dumps({**GOOD, "label": None, "split": None}).encode())
    assert read(folder).entries == (Entry("one", folder / "images/1.png", ("a red flower", "a flower")),)


BAD: list[tuple[Any, str]] = [
    ("{not json", "not JSON"),
    (b'{"id": "\xff"}', "not JSON in UTF-8"),
    ("[" * 100_000, "not JSON"),
    ('{"id": NaN}', "not JSON"),
    ("[1]", "not a JSON object"),
    ({"image": "images/1.png", "captions": ["a"]}, "'id' is missing"),
    ({"id": "x", "captions": ["a"]}, "'image' is missing"),
    ({"id": "x", "image": "images/1.png"}, "'captions' is missing"),
    ({**GOOD, "id": 7}, "'id' is not a text"),
    ({**GOOD, "id": " "}, "'id' is not a text"),
    ({**GOOD, "id": "\ud800"}, "surrogate"),
    ({**GOOD, "id": "x", "image": None}, "'image' is not a text"),
    ({**GOOD, "id": "x", "captions": []}, "'captions' is not a list"),
    ({**GOOD, "id": "x", "captions": "a red flower"}, "'captions' is not a list"),
    ({**GOOD, "id": "x", "captions": ["a", ""]}, "caption 2"),
    ({**GOOD, "id": "x", "captions": ["a", "b", 3]}, "caption 3"),
    ({**GOOD, "id": "x", "label": 3}, "'label' is not a text"),
    ({**GOOD, "id": "x", "split": ["test"]}, "'split' is not a text"),
    ({**GOOD, "id": "x", "meta": []}, "'meta' is not an object"),
    (GOOD, "the id 'one' occurs twice"),
    ({**GOOD, "id": "x", "image": "images/3.png"}, "'images/3.png' does not exist"),
    ({**GOOD, "id": "x", "image": "images"}, "does not exist"),
    ({**GOOD, "id": "x", "image": "images/\0.png"}, "does not exist"),
    ({**GOOD, "id": "x", "image": "../1.png"}, "outside the folder"),
    ({**GOOD, "id": "x", "image": "images/../../1.png"}, "outside the folder"),
    ({**GOOD, "id": "x", "image": "/etc/hostname"}, "outside the folder"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "what"), BAD)
def test_a_bad_line_is_named_with_its_number(folder: Path, line: Any, what: str) -> None:
    """A bad line raises one sentence with the file, the line and what is wrong with it."""
    write(folder, GOOD, "", line)
    with pytest.raises(CorpusError) as caught:
        read(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / MANIFEST}, line 3: ")
    assert what in message
    assert message.endswith(".")


@pytest.mark.parametrize(("line", "what"), BAD)
def test_skip_bad_lists_what_it_left_out_and_nothing_else(folder: Path, line: Any, what: str) -> None:
    """With skip_bad the bad line alone is left out, and listed; the lines around it are all there."""
    write(folder, GOOD, line, {**GOOD, "id": "last"})
    corpus = read(folder, skip_bad=True)
    assert [entry.id for entry in corpus.entries] == ["one", "last"]
    [problem] = corpus.skipped
    assert problem.where == f"{folder / MANIFEST}, line 2"
    assert what in problem.what


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(["id", "image", "captions", "label", "split", "meta", "other"]), JSON))
def test_any_line_is_an_entry_or_a_problem(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]) -> None:
    """Whatever JSON the fields hold, the line gives an entry or one problem, and no other exception."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "1.png").write_bytes(b"")
    write(folder, {**GOOD, "id": "first", "image": "1.png"}, {**GOOD, "image": "1.png", **changes})
    corpus = read(folder, skip_bad=True)
    assert len(corpus.entries) + len(corpus.skipped) == 2
    assert json.dumps([entry.captions for entry in corpus.entries], ensure_ascii=False).encode()


def test_a_bare_folder_is_its_images(folder: Path) -> None:
    """Without captions.jsonl each image below the folder is an entry, sorted, named by its path without suffix."""
    (folder / "a.JPG").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / ".thumbs").mkdir()
    (folder / ".thumbs" / "1.png").write_bytes(b"")
    (folder / "folder.png").mkdir()
    corpus = read(folder)
    assert [entry.id for entry in corpus.entries] == ["a", "images/1", "images/2"]
    assert corpus.entries[0] == Entry("a", folder / "a.JPG")


def test_two_images_of_one_name_are_named(folder: Path) -> None:
    """In a bare folder two images that differ in their suffix alone would share an id: refused, or listed."""
    (folder / "images" / "1.jpg").write_bytes(b"")
    with pytest.raises(CorpusError, match="'images/1' occurs twice"):
        read(folder)
    corpus = read(folder, skip_bad=True)
    assert corpus.skipped == (Problem(str(folder), "the id 'images/1' occurs twice"),)
    assert [entry.image.name for entry in corpus.entries] == ["1.jpg", "2.png"]


def test_a_bare_folder_may_be_hidden_itself(folder: Path) -> None:
    """Hidden counts below the folder that was named, not above it."""
    hidden = folder / ".collection"
    (folder / "images").rename(hidden)
    assert len(read(hidden).entries) == 2


@pytest.mark.parametrize("make", [
    lambda path: None,
    lambda path: path.mkdir(),
    lambda path: path.write_text("a file"),
    lambda path: (path.mkdir(), (path / MANIFEST).write_text("")),
])  # fmt: skip
def test_nothing_to_read_is_refused(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """A folder that is missing, empty, a file, or lists nothing raises CorpusError naming it, also with skip_bad."""
    make(tmp_path / "flowers")
    for skip_bad in (False, True):
        with pytest.raises(CorpusError, match=r"flowers (is not a folder|holds no usable image); "):
            read(tmp_path / "flowers", skip_bad=skip_bad)


def test_only_bad_lines_are_refused_with_skip_bad(folder: Path) -> None:
    """skip_bad does not make an empty collection of a wholly bad file."""
    write(folder, "{", "[")
    with pytest.raises(CorpusError, match="no usable image"):
        read(folder, skip_bad=True)


def test_split_keeps_the_order_and_names_what_there_is(folder: Path) -> None:
    """A split is its entries in order; an unknown one raises CorpusError that names the others."""
    write(folder, *[{**GOOD, "id": str(n), "split": "train" if n % 2 else "test"} for n in range(5)], "{")
    corpus = read(folder, skip_bad=True)
    assert [entry.id for entry in corpus.split("test").entries] == ["0", "2", "4"]
    assert corpus.split("train").skipped == corpus.skipped
    with pytest.raises(CorpusError, match=r"no split 'val'; choose one of test, train\.$"):
        corpus.split("val")
    with pytest.raises(CorpusError, match="name no split"):
        Corpus(folder, (Entry("a", folder),)).split("test")


def test_the_fingerprint_moves_with_the_content_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another place or meta leaves the fingerprint; another caption, label, split, id, order or image changes it."""
    two = {**GOOD, "id": "two", "image": "images/2.png"}
    write(folder, GOOD, two)
    original = read(folder).fingerprint
    assert len(original) == 64

    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    folder.rename(moved)
    seen = {original}
    assert read(moved).fingerprint in seen
    write(moved, {**GOOD, "meta": {"credit": "x"}}, two)
    assert read(moved).fingerprint in seen

    for lines in (
        [{**GOOD, "captions": ["a red flower"]}, two],
        [{**GOOD, "label": "rose"}, two],
        [{**GOOD, "split": "rose"}, two],
        [{**GOOD, "id": "1"}, two],
        [two, GOOD],
        [GOOD],
    ):
        write(moved, *lines)
        assert read(moved).fingerprint not in seen
        seen.add(read(moved).fingerprint)
    write(moved, GOOD, two)
    (moved / "images" / "2.png").write_bytes(b"longer" * 100)
    assert read(moved).fingerprint not in seen


@pytest.mark.shared
@pytest.mark.parametrize(("name", "count"), [("flowers102", 5154), ("openstax", 400)])
def test_real_collections_read_whole(shared: Path, name: str, count: int) -> None:
    """The real collections are read without a bad line, and their first pictures are pictures."""
    corpus = read(shared / "data" / name)
    assert len(corpus.entries) == count
    for entry in corpus.entries[:20]:
        assert min(decode(entry.image.read_bytes()).size) > 0
