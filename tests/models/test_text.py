from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigError, TextError
from models.text import SPECIALS, TextLimits, Vocabulary, batch, check, read_glove, spans, words

# Any code points, lone surrogates and control characters among them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Yellow flower.", ["a", "yellow", "flower"]),
        ("don't, DON’T donʼt", ["don't", "don't", "don't"]),
        ("multi-colored petals,and stamen", ["multi", "colored", "petals", "and", "stamen"]),
        ("'quoted' petals' rock 'n' roll", ["quoted", "petals", "rock", "n", "roll"]),
        ("Füße STRASSE ﬁne ２", ["füße", "strasse", "fine", "2"]),
        ("cafe\u0301 flow\u00ader J\u030c", ["café", "flower", "\u01f0"]),
        ("हिन्दी फूल", ["हिन्दी", "फूल"]),
        ("5 petals\x00of\ud800white\n", ["5", "petals", "of", "white"]),
        ("snake_case a/b", ["snake", "case", "a", "b"]),
        ("…!? 🌸", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Words are lower case, compatibility-normalised, whole in every script, and keep their inner apostrophes."""
    assert list(words(text)) == expected


def test_punctuation_becomes_tokens() -> None:
    """With punctuation each mark is a token of its own; an apostrophe inside a word is not a mark."""
    expected = ["it's", "red", "-", "ish", ",", "isn't", "it", "?", "!", "'"]
    assert list(words("It's red-ish, isn't it?!'", punctuation=True)) == expected


@given(ANY_TEXT, st.booleans())
def test_words_of_words(text: str, punctuation: bool) -> None:
    """Of any text the words are clean: joined by spaces they are the same words again."""
    once = words(text, punctuation)
    assert words(" ".join(once), punctuation) == once
    assert all(word == word.strip() and word for word in once)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A zorbly, red-star's ring!", ["A", "zorbly", "red", "star's", "ring"]),
        ("½ x", ["½", "x"]),
        ("ﬁne ™ cafe\u0301 flow\u00ader rock’n’roll", ["ﬁne", "™", "cafe\u0301", "flow\u00ader", "rock’n’roll"]),
        ("a =\u0338 b", ["a", "b"]),
        ("'’ … ", []),
        ("", []),
    ],
)
def test_spans(text: str, expected: list[str]) -> None:
    """Words are found where they stand, as they are written."""
    assert [text[start:end] for start, end in spans(text)] == expected


@given(ANY_TEXT | st.text(alphabet="a'½Σσ.\u00ad\u0301=\u0338é™ﬁｶﾞ-\u1100\u1161\u11a8", max_size=8))
def test_spans_hold_the_words(text: str) -> None:
    """They rise, do not overlap, and what stands in them is read as all words of the text are."""
    found = spans(text)
    assert all(start < end for start, end in found)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    # Of a word alone the last sigma is a final one, also where more follows it.
    inside = " ".join(word for start, end in found for word in words(text[start:end]))
    assert inside.replace("ς", "σ") == " ".join(words(text)).replace("ς", "σ")


@given(ANY_TEXT)
def test_punctuation_only_adds(text: str) -> None:
    """The words without punctuation are those with it, the marks left out."""
    marked = words(text, punctuation=True)
    assert words(text) == tuple(word for word in marked if words(word))


@given(st.lists(ANY_TEXT), st.booleans())
def test_encode_and_unknown_agree(texts: list[str], punctuation: bool) -> None:
    """Ids stand for the words in order between start and end; a vocabulary knows all words of its own captions."""
    vocabulary = Vocabulary.from_captions(texts, punctuation=punctuation)
    for text in texts:
        ids = vocabulary.encode(text)
        assert (ids[0], ids[-1]) == (1, 2)
        assert tuple(vocabulary.words[i] for i in ids[1:-1]) == words(text, punctuation)
        assert vocabulary.unknown(text) == ()


def test_unknown_words_are_named_once_in_order() -> None:
    """Words never seen get the id of <unk>, and are named in order, each once, punctuation not among them."""
    vocabulary = Vocabulary.from_captions(["a red flower"], punctuation=True)
    text = "Zygomorphic red corolla, zygomorphic! <pad>"
    assert vocabulary.unknown(text) == ("zygomorphic", "corolla", "pad")
    red = vocabulary.index["red"]
    assert vocabulary.encode("Zygomorphic red corolla!") == (1, 3, red, 3, 3, 2)


def test_special_tokens_cannot_be_written() -> None:
    """A text that spells out a special token does not get its id."""
    vocabulary = Vocabulary.from_captions(["flower"])
    assert vocabulary.encode("<pad> <end> <start>") == (1, 3, 3, 3, 2)


def test_from_captions_orders_by_count_then_alphabet() -> None:
    """Ids go by falling count, then alphabetically, whatever the order of the captions; rare words are left out."""
    captions = ["b a c", "c b", "c rare"]
    expected = (*SPECIALS, "c", "b", "a", "rare")
    assert Vocabulary.from_captions(captions).words == expected
    assert Vocabulary.from_captions(reversed(captions)).words == expected
    assert Vocabulary.from_captions(captions, min_count=2).words == (*SPECIALS, "c", "b")


@given(st.lists(ANY_TEXT), st.booleans())
def test_json_round_trip(texts: list[str], punctuation: bool) -> None:
    """A vocabulary written as JSON is read back equal, with an equal hash."""
    vocabulary = Vocabulary.from_captions(texts, punctuation=punctuation)
    back = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert back == vocabulary
    assert hash(back) == hash(vocabulary)
    assert len(back) == len(vocabulary.words)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"words": list(SPECIALS)},
        {"words": "abcd", "punctuation": False},
        {"words": [*SPECIALS, 7], "punctuation": False},
        {"words": ["a", *SPECIALS], "punctuation": False},
        {"words": [*SPECIALS, "a", "a"], "punctuation": False},
        {"words": [], "punctuation": True},
    ],
)
def test_a_damaged_vocabulary_is_refused(content: dict[str, object]) -> None:
    """JSON that is not a vocabulary raises ConfigError."""
    with pytest.raises(ConfigError):
        Vocabulary.from_dict(content)


def test_from_ids_sorts_by_id() -> None:
    """An imported mapping becomes the words in the order of their ids, whatever its own order."""
    ids = {"rose": 5, "<unk>": 3, ",": 4, "<pad>": 0, "<end>": 2, "<start>": 1}
    vocabulary = Vocabulary.from_ids(ids)
    assert dict(vocabulary.index) == ids
    assert vocabulary.encode("Rose, rose") == (1, 5, 4, 5, 2)


@pytest.mark.parametrize(
    "ids",
    [
        {"<pad>": 0, "<start>": 1, "<end>": 2, "<unk>": 4},
        {"<pad>": 0, "<start>": 1, "<end>": 2, "<unk>": 3, "a": 3},
        {"<pad>": 1, "<start>": 0, "<end>": 2, "<unk>": 3},
        {"a": 0},
        {},
    ],
)
def test_from_ids_refuses_gaps_and_misplaced_specials(ids: dict[str, int]) -> None:
    """Ids with a gap or twice the same, or special tokens elsewhere, raise ConfigError."""
    with pytest.raises(ConfigError):
        Vocabulary.from_ids(ids)


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=5))
def test_batch_pads_with_zero(ids: list[list[int]]) -> None:
    """A padded batch, cut to its lengths, is the ids again; the rest is 0."""
    padded, lengths = batch(ids)
    assert padded.dtype == lengths.dtype == torch.int64
    assert padded.shape == (len(ids), max(map(len, ids), default=0))
    for row, length, given_ids in zip(padded.tolist(), lengths.tolist(), ids, strict=True):
        assert row[:length] == given_ids
        assert not any(row[length:])


@pytest.mark.parametrize("text", ["", "  \t\n", "\x00\x01", "...!?", "\ud800", "🌸", "\u200b"])
def test_a_text_without_words_is_refused(text: str) -> None:
    """A text without a word raises TextError that says what to write."""
    with pytest.raises(TextError, match="describe in words"):
        check(text)


def test_a_long_text_is_refused() -> None:
    """The limit counts characters without surrounding space, and is inclusive."""
    assert check("  " + "a" * 1000 + " \n") == "a" * 1000
    with pytest.raises(TextError, match=r"1,001 characters, more than the 1,000 allowed; shorten it"):
        check("a" * 1001)
    with pytest.raises(TextError, match="shorten"):
        check("four", TextLimits(max_characters=3))


@given(ANY_TEXT)
def test_what_check_passes_is_harmless(text: str) -> None:
    """Any text is refused with TextError, or comes back writable as UTF-8, without control characters, same words."""
    try:
        clean = check(text)
    except TextError:
        return
    assert clean.encode().decode() == clean
    assert clean == clean.strip()
    assert not any(ord(c) < 32 or ord(c) == 127 for c in clean)
    assert words(clean) == words(text)


VOCABULARY = Vocabulary((*SPECIALS, "red", "flower", "absent"))


def glove(folder: Path, content: str | bytes) -> Path:
    path = folder / "glove.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_glove_fills_the_rows_of_known_words(tmp_path: Path) -> None:
    """Each word's row holds its numbers, the first line of a word counting; rows of words not found are zero."""
    lines = b"flower 1 2.5 -3e-1\r\n. . . 7 7 7\n\xff\xfe 1 1 1\nx\ry 1 1 1\nother 9 9 9\nred 4 5 6 \nflower 0 0 0\n"
    vectors, found = read_glove(glove(tmp_path, lines), VOCABULARY, 3)
    expected = np.zeros((7, 3), np.float32)
    expected[4], expected[5] = (4, 5, 6), (1, 2.5, -0.3)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, expected)
    assert found.tolist() == [False] * 4 + [True, True, False]


@pytest.mark.parametrize(
    "bad",
    [
        "red 1 2",
        "red 1 2 3 4",
        "red",
        "400000 3",
        "red 1 2 x",
        "red 1 nan 3",
        "red 1 2 1e999",
        "other 1 2",
        "",
        " 1 2 3",
    ],
)
def test_a_malformed_glove_line_is_named(tmp_path: Path, bad: str) -> None:
    """A line with too few or too many numbers, or none, raises ConfigError naming the file and the line."""
    path = glove(tmp_path, f"flower 1 2 3\n{bad}\nother 1 2 3\n")
    with pytest.raises(ConfigError, match=r"glove\.txt, line 2: "):
        read_glove(path, VOCABULARY, 3)


def test_a_missing_glove_file_is_named(tmp_path: Path) -> None:
    """A file that is not there, or a folder, raises ConfigError naming it."""
    with pytest.raises(ConfigError, match="no\\.txt"):
        read_glove(tmp_path / "no.txt", VOCABULARY, 3)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_glove(tmp_path, VOCABULARY, 3)
