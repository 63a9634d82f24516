"""Filters over a gallery that changes: the answers are those of a gallery that is built of what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.changes.change import Addition
from index.filters.form import parse
from index.items import Item, Modality
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import ANSWERS, Retriever, SearchOptions
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead

GalleryOf = Callable[..., Gallery]

IMAGES, CAPTIONS, DIM = 12, 26, 6
HEAD = MatchHead(5.0, 4.0)
COLOURS = ("red", "green", "blue")


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, DIM, generator=generator), torch.randn(n, DIM, generator=generator) - 3)


QUERY = draw(1, 99)[0]
BUILT = [{"n": n, "colours": [COLOURS[n % 3]]} for n in range(IMAGES)]
metas = st.fixed_dictionaries({"n": st.integers(0, 5)}, optional={"colours": st.lists(st.sampled_from(COLOURS))})
filters = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 5) | st.builds(lambda low, high: {"gte": low, "lt": high}, *[st.integers(0, IMAGES)] * 2),
        "colours": st.sampled_from(COLOURS) | st.just({"in": ["red", "blue"]}),
        "label": st.just("new"),
        "image_id": st.sampled_from([{"lt": "i3"}, "i7", "new1"]),
        "id": st.sampled_from([{"gte": "i2"}, "i7", "i7#0", "new1", {"lt": "j"}]),
    },
)


def image(identifier: str, meta: dict[str, Any], seed: int) -> Addition:
    return Addition(Item(identifier, Modality.IMAGE, None, None, "new", meta), draw(1, seed)[0], b"jpeg")


def caption(identifier: str, of: str | None, label: str | None, seed: int) -> Addition:
    # What a caption of an image says of itself is not asked for.
    return Addition(Item(identifier, Modality.TEXT, "words", of, label, {"n": 3}), draw(1, seed)[0])


@st.composite
def changes(draw_one: st.DrawFn) -> Callable[[LivingGallery, int], None]:
    """One change of what is there when it comes; its number makes ids that are not."""
    kind = draw_one(st.sampled_from(["add", "replace", "renew", "remove", "caption", "alone"]))
    place, meta, seed = draw_one(st.integers(0, 50)), draw_one(metas), draw_one(st.integers(100, 10_000))

    def change(living: LivingGallery, number: int) -> None:
        there = ids(living.gallery, Modality.IMAGE)
        chosen = there[place % len(there)]
        match kind:
            case "add":
                living.add([image(f"new{number}", meta, seed), caption(f"new{number}#0", f"new{number}", None, seed)])
            case "replace":
                living.replace([image(chosen, meta, seed)])
            case "renew":
                living.replace([image(chosen, meta, seed), caption(f"{chosen}#r{number}", chosen, None, seed)])
            case "remove" if len(there) > 1:
                living.remove([chosen])
            case "caption":
                living.add([caption(f"{chosen}#c{number}", chosen, "other", seed)])
            case "alone":
                living.add([caption(f"alone{number}", None, "new", seed)])

    return change


def rows_of(gallery: Gallery, modality: Modality) -> Sequence[int]:
    present = gallery.present(modality)
    return range(gallery.count(modality)) if present is None else present.rows.tolist()


def ids(gallery: Gallery, modality: Modality) -> list[str]:
    return [item.id for item in gallery.items(modality, rows_of(gallery, modality))]


def matching(gallery: Gallery, modality: Modality, wanted: dict[str, Any]) -> set[str]:
    """Ids of what matches, one by one."""
    images = {item.id: item for item in gallery.items(Modality.IMAGE, rows_of(gallery, Modality.IMAGE))}
    items = gallery.items(modality, rows_of(gallery, modality))
    return {item.id for item in items if parse(wanted).matches(item, images.get(str(item.image_id), item))}


def answers(gallery: Gallery, direction: Direction, options: SearchOptions) -> tuple[list[tuple[str, float]], int]:
    found = Retriever(gallery, HEAD).search(QUERY, direction, options)
    return [(hit.item.id, pytest.approx(hit.match_probability, rel=1e-4)) for hit in found.hits], found.ranked


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(changes(), min_size=1, max_size=8), st.lists(filters, min_size=1, max_size=8), st.sampled_from(Rerank))
def test_it_is_a_gallery_built_of_what_there_is(
    gallery_of: GalleryOf,
    happening: list[Callable[[LivingGallery, int], None]],
    asked: list[dict[str, Any]],
    rerank: Rerank,
) -> None:
    """After any changes any filter lets through what matches of what is there, captions by what their image says now;
    and each search answers as in the gallery that is built anew of it."""
    directory = gallery_of(draw(IMAGES, 0), draw(CAPTIONS, 1), head=HEAD, metas=BUILT).directory
    with LivingGallery.open(directory) as living:
        for number, change in enumerate(happening):
            change(living, number)
        changed = living.gallery
        living.compact(dict.fromkeys(Modality, HEAD))
        for wanted in asked:
            options = SearchOptions(100, 100, rerank, filter=parse(wanted))
            for direction, modality in ANSWERS.items():
                found, ranked = answers(changed, direction, options)
                assert {identifier for identifier, _ in found} == matching(changed, modality, wanted)
                assert ranked == len(found)
                assert (found, ranked) == answers(living.gallery, direction, options)
                assert changed.allowed(modality, parse(wanted)).count == len(found)


def test_a_rare_value_that_came(gallery_of: GalleryOf) -> None:
    """One of thousands that was added, and one that got its value by replacement, are found with all their captions."""
    many = 3_000
    directory = gallery_of(draw(many, 0), draw(many, 1), head=HEAD, metas=[{"n": 0}] * many).directory
    with LivingGallery.open(directory) as living:
        living.add([image("new", {"n": 7}, 5), caption("new#0", "new", None, 6)])
        living.replace([image("i1234", {"n": 7}, 7)])
        options = SearchOptions(top_k=5, filter=parse({"n": 7}))
        pictures, _ = answers(living.gallery, Direction.TEXT_TO_IMAGE, options)
        texts, _ = answers(living.gallery, Direction.IMAGE_TO_TEXT, options)
        assert {identifier for identifier, _ in pictures} == {"new", "i1234"}
        assert {identifier for identifier, _ in texts} == {"new#0", "i1234#0"}
        living.remove(["new"])
        assert [each[0] for each in answers(living.gallery, Direction.TEXT_TO_IMAGE, options)[0]] == ["i1234"]
