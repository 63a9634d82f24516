"""Batches: one item of a class, the same from the same seed, crops and drops within their bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from corpus.manifest import Entry
from models.errors import ConfigError, CorpusError
from models.image import Framing, encode_png
from models.text import Vocabulary
from training.config import DataConfig
from training.data import PairSource, augment, crop_box, drop_words

CAPTIONS = ("a red flower with long thin petals", "white")
VOCABULARY = Vocabulary.from_captions(CAPTIONS)


def entries(folder: Path, count: int, classes: int | None) -> list[Entry]:
    """Images of noise with two captions each."""
    made = []
    for i in range(count):
        path = folder / f"{i}.png"
        path.write_bytes(encode_png(default_rng(i).integers(0, 256, (40, 50, 3), dtype=np.uint8)))
        label = None if classes is None else f"class {i % classes}"
        made.append(Entry(str(i), path, CAPTIONS, label))
    return made


def source(folder: Path, count: int, classes: int | None, seed: int = 0) -> PairSource:
    """Pairs of 32-pixel pictures."""
    return PairSource(entries(folder, count, classes), VOCABULARY, Framing(32, 0.9), DataConfig(), seed)


def test_a_batch_holds_one_item_of_a_class(tmp_path: Path) -> None:
    """Where there are labels; and every class is drawn."""
    made = source(tmp_path, 60, 7)
    plan = made.plan(0, 5)
    assert sum(map(len, plan)) == 60
    for rows in plan:
        assert len({row % 7 for row in rows}) == len(rows) == 5
    assert {row % 7 for rows in plan for row in rows} == set(range(7))


def test_several_items_of_a_class_where_asked_for(tmp_path: Path) -> None:
    """Half as many classes with two different items each; as many items in an epoch as there are images."""
    made = PairSource(entries(tmp_path, 60, 6), VOCABULARY, Framing(32, 0.9), DataConfig(per_class=2), 0)
    plan = made.plan(0, 6)
    assert sum(map(len, plan)) == 60
    for rows in plan:
        classes = [row % 6 for row in rows]
        assert len(set(classes)) == 3
        assert all(classes.count(each) == 2 for each in classes)
    assert len({row for rows in plan for row in rows}) > 40


def test_matches_are_the_own_captions_or_those_of_the_class(tmp_path: Path) -> None:
    """bool [n, n · k]; images 0 and 3 are of one class, and match each other's captions only where asked to."""
    rows = [0, 1, 3]
    for label_matches, expected in (
        (False, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (True, [[1, 0, 1], [0, 1, 0], [1, 0, 1]]),
    ):
        config = DataConfig(captions=2, label_matches=label_matches)
        made = PairSource(entries(tmp_path, 4, 3), VOCABULARY, Framing(32, 0.9), config, 0)
        table = np.repeat(np.array(expected, dtype=bool), 2, axis=1)
        assert np.array_equal(made.make(rows, 0).matches.numpy(), table)


def test_matches_by_class_need_classes(tmp_path: Path) -> None:
    """An image without one is refused before training, with what to change."""
    with pytest.raises(ConfigError, match="label_matches"):
        PairSource(entries(tmp_path, 4, None), VOCABULARY, Framing(32, 0.9), DataConfig(label_matches=True), 0)


def test_without_labels_an_epoch_shows_each_image_once(tmp_path: Path) -> None:
    """A permutation cut into batches; the short rest is left to the next epoch's draw."""
    plan = source(tmp_path, 23, None).plan(3, 5)
    rows = [row for part in plan for row in part]
    assert len(rows) == len(set(rows)) == 20


def test_batches_are_a_function_of_seed_epoch_and_step(tmp_path: Path) -> None:
    """The same again from a fresh source and from the middle of an epoch; different for another epoch or seed."""
    first, again = source(tmp_path, 20, None), source(tmp_path, 20, None)
    plan = first.plan(2, 5)
    whole = list(first.batches(plan, 2))
    rest = list(again.batches(again.plan(2, 5), 2, first=2))
    for a, b in zip(whole[2:], rest, strict=True):
        assert np.array_equal(a.pixels, b.pixels)
        assert a.ids.equal(b.ids)
    assert first.plan(3, 5) != plan
    assert source(tmp_path, 20, None, seed=1).plan(2, 5) != plan
    assert not np.array_equal(first.make(plan[0], 3).pixels, whole[0].pixels)


def test_pixels_and_words_have_their_shapes(tmp_path: Path) -> None:
    """[n, side, side, 3] of bytes; ids padded to the longest caption."""
    batch = source(tmp_path, 6, None).make([0, 1, 2, 3, 4, 5], 0)
    assert batch.pixels.shape == (6, 32, 32, 3)
    assert batch.pixels.dtype == np.uint8
    assert batch.ids.shape == (6, int(batch.lengths.max()))


def test_a_picture_comes_with_as_many_of_its_captions_as_asked(tmp_path: Path) -> None:
    """Rows k · i to k · i + k − 1 are captions of picture i; both of its two turn up."""
    own = [("red",), ("white", "flower"), ("petals",)]
    made = [Entry(e.id, e.image, texts) for e, texts in zip(entries(tmp_path, 3, None), own, strict=True)]
    config = DataConfig(captions=5, word_drop=0.0)
    batch = PairSource(made, VOCABULARY, Framing(32, 0.9), config, 0).make([2, 1, 0], 0)
    assert len(batch.pixels) == 3
    words = [
        [VOCABULARY.words[i] for i in row[1 : length - 1]] for row, length in zip(batch.ids, batch.lengths, strict=True)
    ]
    assert words[:5] == [["petals"]] * 5
    assert {word for row in words[5:10] for word in row} == {"white", "flower"}
    assert words[10:] == [["red"]] * 5


def test_nothing_to_learn_from_is_an_error(tmp_path: Path) -> None:
    """A bare folder of images cannot be trained on."""
    bare = [Entry("0", tmp_path / "0.png")]
    with pytest.raises(CorpusError, match="caption"):
        PairSource(bare, VOCABULARY, Framing(32, 1.0), DataConfig(), 0)


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(0, 12))
def test_dropping_words_keeps_order_ends_and_a_word(seed: int, probability: float, count: int) -> None:
    """A subsequence between the same ends; never empty where there was a word."""
    ids = [1, *range(10, 10 + count), 2]
    kept = drop_words(ids, probability, default_rng(seed))
    assert kept[0] == 1
    assert kept[-1] == 2
    inner = kept[1:-1]
    assert inner == sorted(inner)
    assert set(inner) <= set(ids)
    assert bool(inner) == bool(count)


def test_words_are_dropped_as_often_as_asked() -> None:
    """About p of them, over many captions."""
    rng = default_rng(0)
    kept = sum(len(drop_words([1, *range(50), 2], 0.1, rng)) - 2 for _ in range(400))
    assert kept / 20_000 == pytest.approx(0.9, abs=0.01)


@given(st.integers(0, 10_000), st.integers(20, 300), st.integers(20, 300), st.floats(0.05, 1))
def test_a_crop_lies_inside_and_keeps_its_share(seed: int, height: int, width: int, area: float) -> None:
    """Within the picture, and about as large as asked: a long one is cut where the picture ends."""
    top, left, high, wide = crop_box(height, width, area, default_rng(seed))
    assert 0 <= top <= top + high <= height
    assert 0 <= left <= left + wide <= width
    square = min(height, width) ** 2
    assert high * wide >= 0.86 * area * square - 2 * min(height, width)


def test_without_augmentation_it_is_the_centre() -> None:
    """Keeping all of the area gives the centred square, untouched, in the encoder's size."""
    picture = default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    config = DataConfig(crop_area=1.0, flip=False, erase=0.0)
    assert np.array_equal(augment(picture, 32, config, default_rng(1)), picture[:, 4:36])


def test_crops_are_cut_from_a_picture_that_is_large_enough(tmp_path: Path) -> None:
    """Fine stripes survive in crops of a quarter of the area, which a picture scaled down first would have lost."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    (tmp_path / "stripes.png").write_bytes(encode_png(stripes))
    made = [Entry(str(i), tmp_path / "stripes.png", ("red",)) for i in range(30)]
    config = DataConfig(crop_area=0.25, erase=0.0)
    crops = PairSource(made, VOCABULARY, Framing(32, 1.0), config, 0).make(range(30), 0).pixels.astype(float)
    # A crop of the whole has nothing left of the stripes; one of a quarter has all of their contrast of 127.
    contrast = crops[:, :, 1:-1].std((1, 2, 3))
    assert contrast.max() > 60


def test_erasing_blanks_a_rectangle() -> None:
    """Between 2 and 33 % of the area (a little more after rounding) becomes one colour; the rest stays."""
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    config = DataConfig(crop_area=1.0, flip=False, erase=1.0)
    for seed in range(50):
        changed = augment(picture, 64, config, default_rng(seed)).any(axis=-1)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.01 < changed.mean() < 0.37
