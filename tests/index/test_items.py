from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.items import Item, ItemStore, Modality, write_items
from models.errors import ArtifactError

# SQLite's text, like UTF-8, has no lone surrogates; the corpus reader refuses them.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ITEMS = st.builds(
    Item,
    id=WORDS,
    modality=st.sampled_from(Modality),
    text=st.none() | WORDS,
    image_id=st.none() | WORDS,
    label=st.none() | WORDS,
    meta=st.dictionaries(WORDS, st.none() | WORDS | st.lists(st.integers(-9, 9)), max_size=3),
)


@settings(max_examples=40)
@given(st.lists(ITEMS, max_size=8, unique_by=lambda item: item.id))
def test_what_was_written_is_read(items: list[Item]) -> None:
    """Items come back as they were, by row in the order asked for (repeats too) and by id, whatever their words."""
    rows: dict[Modality, list[Item]] = {modality: [] for modality in Modality}
    for item in items:
        rows[item.modality].append(item)
    numbered = [(row, item) for kept in rows.values() for row, item in enumerate(kept)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a b?#%.sqlite"
        write_items(path, numbered, [])
        store = ItemStore(path)
        for modality, kept in rows.items():
            asked = [*reversed(range(len(kept))), *range(len(kept))]
            assert store.items(modality, asked) == tuple(kept[row] for row in asked)
            assert store.count(modality) == len(kept)
            read = store.items(modality, range(len(kept)))
            assert json.loads(json.dumps([asdict(item) for item in read])) == [asdict(item) for item in kept]
        assert [store.find(item.id) for _, item in numbered] == [(item.modality, row) for row, item in numbered]
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> ItemStore:
    items = [(row, Item(f"i{row}", Modality.IMAGE)) for row in range(2000)]
    captions = [(row, Item(f"t{row}", Modality.TEXT, "same")) for row in range(2)]
    write_items(tmp_path / "items", [*items, *captions], [(0, b"zero"), (1, b"one")])
    return ItemStore(tmp_path / "items")


def test_thousands_of_rows_at_once(store: ItemStore) -> None:
    """More rows than one statement may name are still found, in order."""
    rows = list(range(1999, -1, -1))
    assert [item.id for item in store.items(Modality.IMAGE, rows)] == [f"i{row}" for row in rows]


def test_unknown(store: ItemStore) -> None:
    """An unknown id is None, and an unknown row an IndexError that names it."""
    assert store.find("nobody") is None
    assert store.picture("nobody") is None
    assert store.items(Modality.TEXT, []) == ()
    with pytest.raises(IndexError, match="no text in row 2"):
        store.items(Modality.TEXT, [0, 2])


def test_pictures_belong_to_images(store: ItemStore) -> None:
    """A picture is found by its image's id, and not by that of the caption in the same row."""
    assert store.picture("i1") == b"one"
    assert store.picture("t1") is None


def test_many_threads(store: ItemStore) -> None:
    """Threads that read at once get what they asked for."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: store.items(Modality.IMAGE, [row])[0].id, range(500)))
    assert found == [f"i{row}" for row in range(500)]


def test_no_store(tmp_path: Path) -> None:
    """A file that is no store of items is named, with the remedy."""
    (tmp_path / "items").write_bytes(b"x" * 5000)
    with pytest.raises(ArtifactError, match=r"items cannot be read as SQLite \(.*\): build the gallery again"):
        ItemStore(tmp_path / "items")
