"""Truth: the vectorised answer against one written down independently, and what captions may not do."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.manifest import Entry
from corpus.scenes import vocabulary
from corpus.scenes.captions import describe
from corpus.scenes.description import Description, Mention
from corpus.scenes.generate import captions, scenes
from corpus.scenes.scene import Scene, Thing
from corpus.scenes.truth import truth, truth_of

ORDER = {"left": 0, "centre": 1, "right": 2, "top": 0, "middle": 1, "bottom": 2}
ROUND = {"disc", "ring"}
ANGULAR = {"square", "triangle", "star", "cross"}
WARM = {"red", "orange", "yellow"}
COOL = {"green", "blue", "purple"}


def fits(mention: Mention, thing: Thing) -> bool:
    """The oracle for one mention, spelled out field by field."""
    kinds = {None: {thing.shape}, "round": ROUND, "angular": ANGULAR}
    tones = {None: {thing.colour}, "warm": WARM, "cool": COOL}
    return (
        mention.shape in (None, thing.shape)
        and thing.shape in kinds[mention.kind]
        and mention.colour in (None, thing.colour)
        and thing.colour in tones[mention.tone]
        and mention.size in (None, thing.size)
        and mention.texture in (None, thing.texture)
        and mention.column in (None, thing.column)
        and mention.row in (None, thing.row)
    )


def stands(relation: str | None, scene: Scene, first: int, second: int) -> bool:
    """The oracle for a relation between two numbered things of a scene."""
    one, other = scene.things[first], scene.things[second]
    if relation in ("behind", "in front of"):
        return scene.overlap and (first, second) == ((0, 1) if relation == "behind" else (1, 0))
    across, down = ORDER[one.column] - ORDER[other.column], ORDER[one.row] - ORDER[other.row]
    return {"left of": across < 0, "right of": across > 0, "above": down < 0, "below": down > 0}[str(relation)]


def holds(description: Description, scene: Scene) -> bool:
    """The oracle: tries every way to give the mentions to different things."""
    if description.setting not in (None, scene.setting) or description.fog not in (None, scene.fog):
        return False
    if description.count not in (None, len(scene.things)):
        return False
    return any(
        all(fits(m, scene.things[i]) for m, i in zip(description.mentions, chosen, strict=True))
        and (description.relation is None or stands(description.relation, scene, chosen[0], chosen[1]))
        for chosen in permutations(range(len(scene.things)), len(description.mentions))
    )


def maybe(values: object) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(sorted(values))  # type: ignore[call-overload]


MENTIONS = st.builds(
    Mention,
    shape=maybe(vocabulary.SHAPES),
    kind=maybe(vocabulary.KINDS),
    colour=maybe(vocabulary.COLOURS),
    tone=maybe(vocabulary.TONES),
    size=maybe(vocabulary.SIZES),
    texture=maybe(vocabulary.TEXTURES),
    column=maybe(vocabulary.COLUMNS),
    row=maybe(vocabulary.ROWS),
)
LOOSE = st.builds(Mention, tone=maybe(vocabulary.TONES), size=maybe(vocabulary.SIZES))
GENERAL = {
    "setting": maybe(vocabulary.SETTINGS),
    "fog": st.none() | st.booleans(),
    "count": st.none() | st.integers(1, 3),
}
DESCRIPTIONS = st.builds(
    Description, st.just(""), st.lists(MENTIONS | LOOSE, max_size=3).map(tuple), **GENERAL
) | st.builds(
    Description,
    st.just(""),
    st.lists(LOOSE, min_size=2, max_size=3).map(tuple),
    st.sampled_from(vocabulary.RELATIONS),
    **GENERAL,
)


@pytest.fixture(scope="module")
def gallery() -> list[Scene]:
    return scenes(150, seed=1)


@pytest.fixture(scope="module")
def written(gallery: list[Scene]) -> list[tuple[Description, ...]]:
    return captions(gallery, seed=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(DESCRIPTIONS, max_size=8))
def test_truth_of_any_description_is_what_trying_every_assignment_says(drawn: list[Description]) -> None:
    """Vectorised truth equals the oracle, for claims no generator would make as well."""
    some = scenes(40, seed=2)
    expected = [[holds(description, scene) for scene in some] for description in drawn]
    assert truth(drawn, some).tolist() == expected


def test_truth_of_generated_captions_is_what_trying_every_assignment_says(
    gallery: list[Scene], written: list[tuple[Description, ...]]
) -> None:
    """Vectorised truth equals the oracle on captions as they are written."""
    flat = [description for each in written for description in each]
    expected = np.array([[holds(description, scene) for scene in gallery] for description in flat])
    assert np.array_equal(truth(flat, gallery), expected)
    assert 0 < expected.mean() < 1


def test_two_mentions_need_two_things(gallery: list[Scene]) -> None:
    """One thing cannot stand for two mentions that it fits both."""
    alone = next(scene for scene in gallery if len(scene.things) == 1)
    mention = Mention(shape=alone.things[0].shape)
    both = Description("", (mention, mention))
    assert truth([Description("", (mention,)), both], [alone]).tolist() == [[True], [False]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_every_caption_is_true_of_its_own_picture(seed: int, count: int) -> None:
    """However many captions are asked for, that many come, and each is true."""
    scene = scenes(1, seed)[0]
    described = describe(scene, np.random.default_rng(seed), count)
    assert len(described) == count
    assert all(holds(description, scene) for description in described)


def test_the_same_text_never_means_two_things() -> None:
    """Captions with the same text have the same row of truth."""
    some = scenes(400, seed=3)
    rows: dict[str, set[bytes]] = {}
    flat = [each for group in captions(some, seed=3, count=12) for each in group]
    for description, row in zip(flat, truth(flat, some), strict=True):
        rows.setdefault(description.text, set()).add(row.tobytes())
    assert len(rows) < len(flat), "no text came twice, so nothing was compared"
    assert [text for text, different in rows.items() if len(different) > 1] == []


def test_numbers_of_true_matches_spread_evenly_over_the_orders_of_magnitude() -> None:
    """A third of captions are true of one picture alone; each factor of 4 from 4 up to all holds 12 % or more."""
    some = scenes(1000, seed=4)
    flat = [each for group in captions(some, seed=4) for each in group]
    matches = truth(flat, some).sum(axis=1)
    assert 0.25 < (matches == 1).mean() < 0.36
    shares = np.histogram(matches, [2, 4, 16, 64, 256, 1001])[0] / len(flat)
    assert shares[0] > 0.04
    assert shares[1:].min() > 0.12
    assert (matches == 1000).any()


def test_exact_captions_are_nearly_always_true_of_one_picture_alone() -> None:
    """The first caption of a picture singles it out."""
    some = scenes(1000, seed=5)
    exact = [group[0] for group in captions(some, seed=5)]
    assert (truth(exact, some).sum(axis=1) == 1).mean() > 0.97


def test_the_exact_caption_of_a_single_thing_excludes_a_second(gallery: list[Scene]) -> None:
    """Where one thing is all there is, the exact caption is false of the same scene with another thing added."""
    for seed, scene in enumerate(scene for scene in gallery if len(scene.things) == 1):
        exact = describe(scene, np.random.default_rng(seed), 1)[0]
        crowded = replace(scene, things=(*scene.things, *scene.things))
        assert truth([exact], [scene, crowded]).tolist() == [[True, False]]


def test_truth_can_be_recomputed_from_a_corpus(gallery: list[Scene], written: list[tuple[Description, ...]]) -> None:
    """`truth_of` reads scenes and descriptions back from the entries' meta, captions in order."""
    entries = [
        Entry(
            id=str(number),
            image=None,  # type: ignore[arg-type]
            meta={"scene": scene.to_json(), "descriptions": [each.to_json() for each in described]},
        )
        for number, (scene, described) in enumerate(zip(gallery, written, strict=True))
    ]
    flat = [description for each in written for description in each]
    assert np.array_equal(truth_of(entries), truth(flat, gallery))


def test_no_captions_make_an_empty_table(gallery: list[Scene]) -> None:
    """Nothing described gives no rows, and still a column for each scene."""
    assert truth([], gallery).shape == (0, len(gallery))
