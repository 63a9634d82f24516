"""Words to ids: the tokeniser, the vocabulary, padded batches, and word vectors from a GloVe file."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.errors import ConfigError, TextError

SPECIALS: Final = ("<pad>", "<start>", "<end>", "<unk>")
PAD, START, END, UNKNOWN = range(4)

# Typographic apostrophes become the typed one; a soft hyphen is a hint to typesetters inside one word.
_UNIFORM: Final = {0x2019: "'", 0x02BC: "'", 0x00AD: None}
# Over one letter a character: w of a word, ' apostrophe, p punctuation or symbol, space for anything else.
_TOKEN: Final = re.compile(r"w+(?:'w+)*|[p']")


# A query's words are asked for three times: whether there are any, their ids, and which are unknown.
@lru_cache(maxsize=64)
def words(text: str, punctuation: bool = False) -> tuple[str, ...]:
    """The words of a text in lower case (Unicode NFKC); an apostrophe inside a word stays, a hyphen splits.

    With `punctuation`, each mark is a token of its own, as in the vocabularies of the published checkpoints.
    """
    plain = _uniform(_uniform(text).lower())
    kinds = plain.translate(_KINDS)
    return tuple(
        plain[token.start() : token.end()] for token in _TOKEN.finditer(kinds) if punctuation or token.group()[0] == "w"
    )


def spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where the words of a text are written in it: of each the first character and the one after the last.

    Characters that NFKC makes several words of ("½", which is read as "1" and "2") have one place together.
    """
    ends = [place for place in range(1, len(text)) if not _joins(text[place])] + [len(text)] * bool(text)
    pieces = [(start, end, _uniform(_uniform(text[start:end]).lower())) for start, end in pairwise((0, *ends))]
    places = [(start, end) for start, end, plain in pieces for _ in plain]
    kinds = "".join(plain.translate(_KINDS) for _, _, plain in pieces)
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(kinds):
        start, end = places[token.start()][0], places[token.end() - 1][1]
        if token.group()[0] != "w":
            continue
        if found and start < found[-1][1]:
            start, _ = found.pop()
        found.append((start, end))
    return tuple(found)


@dataclass(frozen=True)
class Vocabulary:
    """The words an encoder knows; a word's id is its place. The first four are `SPECIALS`.

    `punctuation` says whether marks are tokens (see `words`). Raises `ConfigError` when the specials are not
    in place or a word occurs twice.
    """

    words: tuple[str, ...]
    punctuation: bool = False

    def __post_init__(self) -> None:
        if self.words[: len(SPECIALS)] != SPECIALS:
            raise ConfigError(f"A vocabulary must begin with {', '.join(SPECIALS)}; make it anew from the captions.")
        if len(self.index) != len(self.words):
            raise ConfigError("A vocabulary names a word twice; make it anew from the captions.")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The id of each word."""
        return {word: place for place, word in enumerate(self.words)}

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text between `<start>` and `<end>`; `<unk>` for a word that is not known."""
        inner = (self.index.get(word, UNKNOWN) for word in words(text, self.punctuation))
        return (START, *inner, END)

    def unknown(self, text: str) -> tuple[str, ...]:
        """The words of a text (not its punctuation) that are not in the vocabulary, each once, in order."""
        return tuple(dict.fromkeys(word for word in words(text) if word not in self.index))

    @classmethod
    def from_captions(cls, captions: Iterable[str], min_count: int = 1, punctuation: bool = False) -> Vocabulary:
        """The words that occur `min_count` times or more, most frequent first, then by code points."""
        counts = Counter(word for caption in captions for word in words(caption, punctuation))
        kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
        return cls((*SPECIALS, *kept), punctuation)

    @classmethod
    def from_ids(cls, ids: Mapping[str, int], punctuation: bool = True) -> Vocabulary:
        """The vocabulary of an imported checkpoint; `ConfigError` unless its ids are 0 … n − 1, each once."""
        if sorted(ids.values()) != list(range(len(ids))):
            raise ConfigError(f"The {len(ids)} words need the ids 0 to {len(ids) - 1}, each once; number them anew.")
        return cls(tuple(sorted(ids, key=ids.__getitem__)), punctuation)

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary as JSON has it; `from_dict` reads it back."""
        return {"words": list(self.words), "punctuation": self.punctuation}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Vocabulary:
        """The inverse of `to_dict`; `ConfigError` for anything else."""
        known, punctuation = content.get("words"), content.get("punctuation")
        if not isinstance(known, list) or not all(isinstance(word, str) for word in known):
            raise ConfigError('A vocabulary needs "words", a list of strings; make it anew from the captions.')
        if not isinstance(punctuation, bool):
            raise ConfigError('A vocabulary needs "punctuation", true or false; make it anew from the captions.')
        return cls(tuple(known), punctuation)


def batch(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids of n texts → int64 [n, length of the longest] padded with `PAD`, and their lengths, int64 [n]."""
    lengths = torch.tensor([len(one) for one in ids], dtype=torch.int64)
    longest = max(map(len, ids), default=0)
    padded = [[*one, *[PAD] * (longest - len(one))] for one in ids]
    return torch.tensor(padded, dtype=torch.int64).view(len(ids), longest), lengths


@dataclass(frozen=True)
class TextLimits:
    """The longest text that is encoded, in characters (code points)."""

    max_characters: int = 1000


def check(text: str, limits: TextLimits | None = None) -> str:
    """The text without surrounding space, control characters and lone surrogates replaced by spaces.

    Raises `TextError` when it is too long or holds no word.
    """
    allowed = (limits or TextLimits()).max_characters
    if len(text.strip()) > allowed:
        raise TextError(
            f"The text has {len(text.strip()):,} characters, more than the {allowed:,} allowed; shorten it."
        )
    if not text.isprintable():  # Which is known at once; only what is not may have either.
        text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    clean = text.strip()
    if not words(clean):
        raise TextError("The text holds no word; describe in words what the picture shows.")
    return clean


def read_glove(path: Path, vocabulary: Vocabulary, dim: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Word vectors from a GloVe text file: a word and `dim` numbers a line, with spaces between.

    Returns float32 [len(vocabulary), dim], zero where the file lacks the word, and bool [len(vocabulary)],
    whether it was found. Raises `ConfigError` naming the file and the line that is not of this form. The
    format is that of Pennington, Socher and Manning, "GloVe: Global Vectors for Word Representation" (2014).
    """
    vectors = np.zeros((len(vocabulary), dim), dtype=np.float32)
    found = np.zeros(len(vocabulary), dtype=np.bool_)
    for number, line in _lines(path):
        word, numbers = _split_vector(line, dim, f"{path}, line {number}")
        place = vocabulary.index.get(word)
        if place is not None and not found[place]:
            vectors[place] = _numbers(numbers, f"{path}, line {number}")
            found[place] = True
    return vectors, found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        # Words may hold a carriage return or bytes that are no UTF-8; such words are just never looked up.
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from ((number, line.rstrip(" \r\n")) for number, line in enumerate(file, start=1))
    except OSError as error:
        raise ConfigError(f"The word vectors {path} cannot be read ({error.strerror}); name a GloVe file.") from error


def _split_vector(line: str, dim: int, where: str) -> tuple[str, list[str]]:
    """A line's word and its numbers as text. A few words of the largest GloVe file have spaces in them."""
    word, *numbers = line.rsplit(" ", dim)
    if len(numbers) != dim or not word or (" " in word and _is_number(word.rsplit(" ", 1)[1])):
        raise ConfigError(f"{where}: expected a word and {dim} numbers; name a GloVe file of {dim} dimensions.")
    return word, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(texts: Sequence[str], where: str) -> npt.NDArray[np.float32]:
    try:
        values = np.array([float(text) for text in texts], dtype=np.float32)
    except ValueError:
        values = np.array([np.nan], dtype=np.float32)
    if not np.isfinite(values).all():
        raise ConfigError(f"{where}: a value is not a finite number; repair or replace the file.")
    return values


def _uniform(text: str) -> str:
    if text.isascii():  # Which is uniform.
        return text
    return unicodedata.normalize("NFKC", text).translate(_UNIFORM)


@lru_cache(maxsize=4096)
def _joins(character: str) -> bool:
    """Whether a character may become one with what is before it: with a stroke through it "=" is "≠", and no word."""
    plain = _uniform(character)
    return not plain or unicodedata.category(plain[0])[0] == "M"


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """The letter that stands for a character in `_TOKEN`."""
    if character == "'":
        return character
    # Marks (vowel signs, accents) belong to their word, which the \w of `re` does not know.
    return {"L": "w", "M": "w", "N": "w", "P": "p", "S": "p"}.get(unicodedata.category(character)[0], " ")


class _Kinds(dict[int, str]):
    """For `str.translate`: every character becomes its kind. It holds those of ASCII, and looks others up."""

    def __missing__(self, code: int) -> str:
        return _kind(chr(code))


_KINDS: Final = _Kinds({code: _kind(chr(code)) for code in range(128)})
