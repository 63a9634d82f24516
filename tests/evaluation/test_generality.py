"""Length and generality of captions, by loops."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import Entry
from evaluation.generality import generality, lengths

CAPTION = st.lists(st.sampled_from("abcdef"), max_size=5).map(" ".join)


@given(st.lists(st.lists(CAPTION, max_size=3), min_size=1, max_size=8))
def test_generality_by_loops(texts: list[list[str]]) -> None:
    """Image by image: are all words of the caption among those of its captions? A caption counts its own image."""
    entries = [Entry(str(row), Path("x.png"), tuple(captions)) for row, captions in enumerate(texts)]
    captions = [caption for each in texts for caption in each]
    known = [{word for caption in each for word in caption.split()} for each in texts]
    expected = [sum(set(caption.split()) <= words for words in known) for caption in captions]
    assert generality(captions, entries).tolist() == expected
    assert min(expected, default=1) >= 1


def test_words_are_those_of_the_encoder() -> None:
    """Case and punctuation do not count; a caption of other words is true of nothing here."""
    entries = [Entry("a", Path("x.png"), ("A red star.", "on blue")), Entry("b", Path("x.png"), ("a red disc",))]
    assert generality(["Red!", "red star, blue", "green"], entries).tolist() == [2, 1, 0]
    assert lengths(["Red!", "red star, blue", ""]).tolist() == [1, 3, 0]
