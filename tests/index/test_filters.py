"""Filters: what they mean, case by case; what they look like; and their evaluation in SQLite against that meaning."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.changes.catalogue import Catalogue
from index.fields import value_of
from index.filters.conditions import Filter
from index.filters.field_index import FieldIndex
from index.filters.filtering import Filtering
from index.filters.form import LONGEST_NAME, MOST_FIELDS, MOST_VALUES, parse, read
from index.items import Item, ItemStore, Modality, write_items
from models.errors import FilterError

ROSE = Item(
    "a",
    Modality.IMAGE,
    None,
    "a",
    "rose",
    {
        "year": 1995,
        "height": 1.5,
        "wild": True,
        "tags": ["red", "tall", 7],
        "place": {"name": "Kew", "beds": [{"number": 3}, {"number": 4}]},
        "dotted.name": "x",
        "nothing": None,
        "odd": math.nan,
        "huge": 10**400,
        "large": 2**63 + 2**20,
        "exact": 2**53 + 1,
        "label": "hidden",
    },
)


def holds(wanted: Any, item: Item = ROSE, described: Item | None = None) -> bool:
    return parse(wanted).matches(item, described or item)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"label": "rose"},
        {"id": "a", "image_id": "a"},
        {"year": 1995},
        {"year": 1995.0},
        {"year": {"gte": 1995, "lte": 1995}},
        {"year": {"gt": 1994.5, "lt": 1995.5}},
        {"wild": True},
        {"height": {"in": [1.5, "tall"]}},
        {"tags": "tall"},
        {"tags": 7},
        {"tags": {"gt": 6, "lt": 8}},
        {"tags": {"gte": "s"}},
        {"place.name": {"gte": "K", "lt": "L"}},
        {"place.beds.number": 4},
        {"dotted.name": "x"},
        {"large": 2**63 + 2**20},
        {"exact": 2**53 + 1},
        {"label": {"in": ["rose", 3, False]}, "year": {"gt": 1990}, "place.name": "Kew"},
    ],
)
def test_what_holds(wanted: dict[str, Any]) -> None:
    """A field meets a condition by any of its values; numbers are compared as numbers, objects by dotted names."""
    assert holds(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"label": "Rose"},
        {"label": "hidden"},
        {"year": "1995"},
        {"year": True},
        {"wild": 1},
        {"wild": "true"},
        {"year": {"gte": "1"}},
        {"label": {"gte": 0}},
        {"tags": {"gt": 7, "lt": 9}},
        {"tags": {"gte": "b", "lt": "d"}},
        {"tags": {"in": []}},
        {"place": "Kew"},
        {"name": "Kew"},
        {"missing": {"gte": 0}},
        {"nothing": "None"},
        {"odd": {"gte": -1e308}},
        {"huge": {"gte": 0}},
        {"exact": 2**53},
        {"label": "rose", "year": 1996},
        {"id": "rose"},
    ],
)
def test_what_does_not_hold(wanted: dict[str, Any]) -> None:
    """A number is no text, true is not 1, null and NaN are no values, and a field that is missing meets nothing."""
    assert not holds(wanted)


def test_a_caption_is_described_by_its_image() -> None:
    """It has its own id, and its image's label and metadata."""
    caption = Item("a#0", Modality.TEXT, "a rose", "a", None, {})
    assert holds({"id": "a#0", "image_id": "a", "label": "rose", "year": 1995}, caption, ROSE)
    assert not holds({"id": "a"}, caption, ROSE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The filter is not JSON"),
        ("[" * 100_000, "The filter is not JSON"),
        ("[]", "The filter is no object of fields; write it like"),
        ('{"year": null}', 'The filter of "year" compares with null; give a finite number'),
        ('{"year": NaN}', "compares with NaN"),
        ('{"year": 1e999}', "compares with Infinity"),
        ('{"year": [1]}', "compares with a list"),
        ('{"year": {"in": 3}}', 'The set of "year" is no list; write it like {"in":'),
        ('{"year": {"in": [{}]}}', "compares with an object"),
        ('{"year": {}}', 'The filter of "year" says nothing; give a value, a set'),
        ('{"place": {"name": "Kew"}}', 'knows no "name"; give a value, a set .* named outer.inner'),
        ('{"year": {"in": [1], "gte": 1}}', 'knows no "in"'),
        ('{"year": {"gte": 1, "gt": 1}}', "two bounds on one side"),
        ('{"year": {"gte": 1, "lt": "b"}}', "not all numbers, nor all texts"),
        ('{"year": {"gte": true}}', "not all numbers, nor all texts"),
        ('{"year": "\\ud800"}', "is no text in Unicode"),
        ('{"\\ud800": 1}', "is no text in Unicode"),
        (json.dumps({"a" * (LONGEST_NAME + 1): 1}), "name has 201 characters; the longest has 200"),
        (json.dumps({"a": "b" * 1001}), "a text of at most 1,000 characters"),
        (json.dumps({"a": {"in": [1] * (MOST_VALUES + 1)}}), "has 501 values; ask for 500 at most"),
        (json.dumps({str(n): 1 for n in range(MOST_FIELDS + 1)}), "has 33 fields; ask for 32 at most"),
    ],
)
def test_what_is_no_filter(text: str, message: str) -> None:
    """One sentence says what is wrong and what to write."""
    with pytest.raises(FilterError, match=message) as raised:
        read(text)
    assert len(str(raised.value)) < 400


def test_true_and_one_are_two_filters() -> None:
    """Filters that mean different things are different keys; 1 and 1.0 mean the same."""
    assert parse({"a": True}) != parse({"a": 1})
    assert parse({"a": 1.0}) == parse({"a": 1})


# In SQLite

NAMES = ("a", "b", "a.b", "label", "id", "image_id", 'q"uote', "%")
scalars = st.one_of(
    st.sampled_from([0, 1, -1, True, False, 1.0, 0.5, -0.0, 2**53, 2**53 + 1, float(2**53), 2**63, 10**400, None]),
    st.sampled_from(
        [math.nan, math.inf, -math.inf, "", "a", "b", "1", "i0", "i1", "i0#0", "é", "\0", "a\0", "\U0001f339"]
    ),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.text("aé\0", max_size=3),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "b")), inner, max_size=2),
    max_leaves=4,
)
metas = st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4)
comparable = scalars.filter(lambda each: value_of(each) is not None)


def sound(value: Any) -> bool:
    """Whether a filter may compare with a value."""
    return value_of(value) is not None


@st.composite
def filters_about(draw: st.DrawFn, items: list[Item]) -> dict[str, Any]:
    """A filter whose fields and values are mostly some that the items have."""
    said = [pair for item in items for pair in [*leaves(item.meta), ("label", item.label), ("id", item.id)]]
    said += [("image_id", item.image_id) for item in items]
    fields = st.sampled_from([(name, value) for name, value in said if sound(value)] or [("a", 1)])
    chosen = draw(st.lists(st.one_of(fields, fields, st.tuples(st.sampled_from(NAMES), comparable)), max_size=2))
    return {name: draw(conditions_about(value)) for name, value in chosen}


@st.composite
def conditions_about(draw: st.DrawFn, value: Any) -> Any:
    """Equal to a value, one of several, or within bounds, of which it may be one."""
    kind = draw(st.sampled_from(["equal", "in", "low", "high", "both"]))
    if kind == "equal" or (kind != "in" and isinstance(value, bool)):
        return value
    if kind == "in":
        return {"in": [value, *draw(st.lists(comparable, max_size=2))]}
    like = comparable.filter(
        lambda each: not isinstance(each, bool) and isinstance(each, str) == isinstance(value, str)
    )
    low = {draw(st.sampled_from(["gte", "gt"])): draw(st.just(value) | like)}
    high = {draw(st.sampled_from(["lte", "lt"])): draw(st.just(value) | like)}
    return {"low": low, "high": high, "both": {**low, **high}}[kind]


def leaves(meta: Any, name: str = "") -> list[tuple[str, Any]]:
    """Names and scalars, told apart by recursion."""
    if isinstance(meta, dict):
        return [leaf for key, each in meta.items() for leaf in leaves(each, f"{name}.{key}" if name else key)]
    return [leaf for each in meta for leaf in leaves(each, name)] if isinstance(meta, list) else [(name, meta)]


@st.composite
def galleries(draw: st.DrawFn) -> list[Item]:
    """Images with any metadata, captions of them, and captions of an image that is not there."""
    labels = st.none() | st.sampled_from(["a", "b", ""])
    images = [
        Item(f"i{n}", Modality.IMAGE, None, f"i{n}", draw(labels), draw(metas)) for n in range(draw(st.integers(0, 8)))
    ]
    owners = st.sampled_from([*(image.id for image in images), "gone", None])
    captions = [
        Item(f"{owner}#{n}", Modality.TEXT, "words", owner, draw(labels), draw(metas))
        for n, owner in enumerate(draw(st.lists(owners, max_size=8)))
    ]
    return [*images, *captions]


def allowed_by_matches(items: list[Item], modality: Modality, wanted: Filter) -> list[int]:
    images = {item.id: item for item in items if item.modality is Modality.IMAGE}
    rows = [item for item in items if item.modality is modality]
    return [row for row, item in enumerate(rows) if wanted.matches(item, images.get(str(item.image_id), item))]


@settings(max_examples=60, deadline=None)
@given(galleries(), st.data())
def test_it_finds_what_matches(
    tmp_path_factory: pytest.TempPathFactory, items: list[Item], data: st.DataObject
) -> None:
    """Of any items, any filter lets through those that match, of both modalities, however often it is asked."""
    path = tmp_path_factory.mktemp("items") / "items.sqlite"
    of = {modality: [item for item in items if item.modality is modality] for modality in Modality}
    write_items(path, [pair for each in of.values() for pair in enumerate(each)], [])
    counts = {modality: len(each) for modality, each in of.items()}
    fields = FieldIndex(path, counts)
    filtering = Filtering(Catalogue(ItemStore(path), counts), fields)
    asked = [parse(each) for each in data.draw(st.lists(filters_about(items), min_size=1, max_size=12))]
    for wanted in [*asked, *asked]:
        for modality in Modality:
            found = np.flatnonzero(filtering.mask(modality, wanted)).tolist()
            assert found == allowed_by_matches(items, modality, wanted)
    fields.close()


def test_a_value_is_looked_up(tmp_path: Path) -> None:
    """A rare value of many is found by an index, not by going through all: SQLite's plan says so."""
    items = [Item(f"i{n}", Modality.IMAGE, None, f"i{n}", None, {"n": n}) for n in range(200)]
    write_items(tmp_path / "items", enumerate(items), [])
    index = FieldIndex(tmp_path / "items", {Modality.IMAGE: 200, Modality.TEXT: 0})
    asked: list[str] = []
    index._connection.set_trace_callback(asked.append)
    for wanted in ({"n": 7}, {"n": {"gte": 5, "lt": 9}}, {"n": {"in": [5, 7]}}, {"id": "i7"}, {"id": {"gte": "i99"}}):
        assert 1 <= index.holding(Modality.IMAGE, *parse(wanted).conditions).sum() <= 4
    index._connection.set_trace_callback(None)
    for query in asked:
        [*plan] = index._connection.execute(f"EXPLAIN QUERY PLAN {query}")
        assert all("SEARCH" in step[-1] for step in plan), plan
    index.close()
    assert len(asked) == 5


def test_what_is_kept_is_kept_once(tmp_path: Path) -> None:
    """The same filter asked again gives the same value, computed once."""
    write_items(tmp_path / "items", [(0, ROSE)], [])
    index = FieldIndex(tmp_path / "items", {Modality.IMAGE: 1, Modality.TEXT: 0})
    [condition], [again] = (parse({"label": "rose"}).conditions for _ in range(2))
    first = index.holding(Modality.IMAGE, condition)
    assert index.holding(Modality.IMAGE, again) is first
    assert first.tolist() == [True]
    index.close()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"id": 1}, False),
        ({"id": {"in": [1, "1"]}}, True),
        ({"id": {"gte": 0}}, False),
        ({"id": {"gte": "0"}}, True),
        ({"flag": {"gte": ""}}, False),
        ({"flag": {"gte": 0}}, False),
        ({"flag": True}, True),
        ({"text": {"gte": 0}}, False),
        ({"text": 2}, False),
        ({"number": {"gte": ""}}, False),
        ({"number": {"lt": ""}}, False),
        ({"number": "3"}, False),
    ],
)
def test_types_are_apart_in_sqlite(tmp_path: Path, wanted: dict[str, Any], found: bool) -> None:
    """SQLite, which would compare texts and numbers, and order them, does not do so here."""
    item = Item("1", Modality.IMAGE, None, "1", None, {"flag": True, "text": "2", "number": 3})
    write_items(tmp_path / "items", [(0, item)], [])
    index = FieldIndex(tmp_path / "items", {Modality.IMAGE: 1, Modality.TEXT: 0})
    [condition] = parse(wanted).conditions
    assert index.holding(Modality.IMAGE, condition).tolist() == [found] == [parse(wanted).matches(item, item)]
    index.close()
