"""Drawing scenes by lot, their captions, and the folder they are written to."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpus.scenes import vocabulary
from corpus.scenes.description import Description
from corpus.scenes.generate import captions, scenes, write
from corpus.scenes.render import render
from corpus.scenes.scene import CELL_CENTRES, Scene, hidden_share
from models.errors import CorpusError
from models.image import as_array, decode


@pytest.fixture(scope="module")
def many() -> list[Scene]:
    return scenes(1500, seed=11)


def test_a_scene_and_its_captions_do_not_depend_on_how_many_there_are() -> None:
    """The first of many are the same as few alone; another seed gives others."""
    few, more = scenes(20, seed=6), scenes(60, seed=6)
    assert more[:20] == few
    assert captions(more, seed=6)[:20] == captions(few, seed=6)
    assert scenes(20, seed=7) != few


def test_no_two_scenes_are_alike_in_words(many: list[Scene]) -> None:
    """Attributes, sorted where the order of painting says nothing, come once each."""
    spoken = [
        (
            scene.setting,
            scene.fog,
            scene.overlap,
            frozenset(Counter(t.attributes for t in scene.things).items()),
        )
        if not scene.overlap
        else scene.attributes
        for scene in many
    ]
    assert len(set(spoken)) == len(many)


def test_frequencies_are_those_of_the_vocabulary(many: list[Scene]) -> None:
    """Shares of colours, textures, settings and fog lie within 4 standard errors of what is asked for.

    Shapes and sizes are left out: what lies partly hidden or must fit in is drawn again, which favours some.
    """
    things = [thing for scene in many for thing in scene.things]
    for name, frequencies in (("colour", vocabulary.COLOURS), ("texture", vocabulary.TEXTURES)):
        assert_shares([getattr(thing, name) for thing in things], frequencies)
    assert_shares([scene.setting for scene in many], vocabulary.SETTINGS)
    assert_shares([scene.fog for scene in many], {True: vocabulary.FOG, False: 1 - vocabulary.FOG})


def assert_shares(found: list, expected: dict) -> None:
    for value, share in expected.items():
        error = math.sqrt(share * (1 - share) / len(found))
        assert abs(found.count(value) / len(found) - share) < 4 * error + 0.01, value


def test_every_shape_and_number_of_things_occurs(many: list[Scene]) -> None:
    """Common shapes are common and rare ones rare, and there are one, two and three things."""
    shapes = Counter(thing.shape for scene in many for thing in scene.things)
    assert shapes.keys() == vocabulary.SHAPES.keys()
    assert shapes["disc"] > 3 * shapes["crescent"]
    counts = Counter(len(scene.things) for scene in many)
    assert sorted(counts) == [1, 2, 3]
    assert counts[2] > max(counts[1], counts[3])


def test_things_lie_in_their_cells_within_the_picture(many: list[Scene]) -> None:
    """A column and a row are never in doubt: the nearest cell's centre is the one that is named."""
    for thing in (thing for scene in many for thing in scene.things):
        nearest = [min(range(3), key=lambda i, at=at: abs(CELL_CENTRES[i] - at)) for at in (thing.x, thing.y)]
        assert vocabulary.COLUMNS[nearest[0]] == thing.column
        assert vocabulary.ROWS[nearest[1]] == thing.row
        assert thing.radius <= min(thing.x, thing.y, 1 - thing.x, 1 - thing.y)


def test_things_overlap_only_where_the_scene_says_so(many: list[Scene]) -> None:
    """Things lie in different cells and apart, but in an overlap 10 to 42 % of the first is hidden."""
    assert 0.1 < np.mean([scene.overlap for scene in many]) < 0.4
    for scene in many:
        assert len({(thing.column, thing.row) for thing in scene.things}) == len(scene.things)
        for i, back in enumerate(scene.things):
            for j, front in enumerate(scene.things[i + 1 :], start=i + 1):
                hidden = hidden_share(back, front)
                assert 0.10 < hidden < 0.42 if scene.overlap and (i, j) == (0, 1) else hidden == 0


def test_scenes_and_descriptions_survive_json(many: list[Scene]) -> None:
    """Written as JSON and read back, they are equal to what they were."""
    for scene, described in zip(many[:100], captions(many[:100], seed=11), strict=True):
        assert Scene.from_json(json.loads(json.dumps(scene.to_json()))) == scene
        for each in described:
            assert Description.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_captions_are_varied_plain_english(many: list[Scene]) -> None:
    """About a hundred words, well-formed articles and spaces, and no two captions in three the same."""
    texts = [each.text for group in captions(many[:500], seed=11) for each in group]
    words = {word for text in texts for word in re.findall(r"[a-z-]+", text)}
    assert 80 <= len(words) <= 120
    assert len(set(texts)) > 0.8 * len(texts)
    for text in texts:
        assert re.fullmatch(r"[a-z-]+(,? [a-z-]+)*", text), text
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\b(\w+) \1 \1\b", text), text


def test_a_written_folder_holds_pictures_captions_and_their_meaning(tmp_path: Path) -> None:
    """Every line names a picture with the pixels of its scene, and tells captions, split and meaning."""
    calls: list[tuple[int, int]] = []
    write(
        tmp_path / "scenes",
        6,
        seed=8,
        side=48,
        per_image=3,
        splits={"train": 4, "test": 2},
        progress=lambda done, total: calls.append((done, total)),
    )
    records = [json.loads(line) for line in (tmp_path / "scenes/captions.jsonl").read_text().splitlines()]
    drawn = scenes(6, seed=8)
    for record, scene, described in zip(records, drawn, captions(drawn, seed=8, count=3), strict=True):
        assert Scene.from_json(record["meta"]["scene"]) == scene
        assert record["captions"] == [each.text for each in described]
        assert [Description.from_json(each) for each in record["meta"]["descriptions"]] == list(described)
        pixels = as_array(decode((tmp_path / "scenes" / record["image"]).read_bytes()))
        assert np.array_equal(pixels, render(scene, 48))
    assert [record["split"] for record in records] == ["train"] * 4 + ["test"] * 2
    assert calls == [(done, 6) for done in range(1, 7)]


def test_an_interrupted_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    """The folder is there whole or not at all."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "scenes", 3, seed=1, side=32, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_writing_refuses_what_it_would_spoil(tmp_path: Path) -> None:
    """A folder with something in it is left alone, and splits must add up."""
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CorpusError, match="exists already"):
        write(tmp_path, 2, seed=1)
    with pytest.raises(CorpusError, match="do not add up"):
        write(tmp_path / "new", 2, seed=1, splits={"train": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
