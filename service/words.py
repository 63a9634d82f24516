"""Which words of a text make it vague, and what could be said instead."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Final

from index.exploring.more_specific import captions_of, more_specific
from index.items import Modality
from index.searching.uncertainty import Uncertainty
from models.gaussian import concatenate
from models.text import TextLimits, check, spans
from service.engine import Clock, Described, EncodedQuery, Engine, described
from service.errors import LimitError

SUGGESTIONS: Final = 3
BEST: Final = 50
"""Pictures whose captions are looked at for suggestions: the most probable ones."""


@dataclass(frozen=True)
class WordWeight:
    """What one word does to the uncertainty of its text.

    Args:
        word: as it is written.
        start: its first character in the text.
        end: the character after its last.
        without: the uncertainty of the text without it.
        change: log σ of the text − log σ without the word: above zero where it makes the text vaguer.
    """

    word: str
    start: int
    end: int
    without: Uncertainty
    change: float


@dataclass(frozen=True, eq=False)
class WeighedText:
    """A text with the weights of its words, none where there is one word only, and more certain texts like it."""

    query: EncodedQuery
    words: tuple[WordWeight, ...]
    more_specific: tuple[Described, ...]


async def weigh(engine: Engine, text: str, clock: Clock) -> WeighedText:
    """Leave out each word of a text in turn.

    Raises:
        TextError, LimitError: the text is not acceptable, or has more words than are allowed.
        OverloadedError, DeadlineError: there is no room for it, or no time.
    """
    text = check(text, TextLimits(engine.limits.characters))
    places, most = spans(text), engine.limits.words
    if len(places) > most:
        raise LimitError(f"The text has {len(places)} words, more than the {most} allowed here; shorten it.")
    without = [text[:start] + text[end:] for start, end in places] if len(places) > 1 else []
    encode, unknown = engine.model.encoder.vocabulary.encode, engine.model.encoder.vocabulary.unknown(text)
    async with engine.admitted(("words", len(places))):
        with clock.time("encode"):
            whole, *parts = await engine.in_batches(Modality.TEXT, [encode(each) for each in (text, *without)])
        query = engine.encoded(Modality.TEXT, whole, text=text, unknown_words=unknown)
        with clock.time("search"):
            found = await engine.workers.survey(_more_specific, engine, query)
    measured = engine.gallery.uncertainties(Modality.TEXT, concatenate(parts).to("cpu")) if parts else ()
    weights = tuple(
        WordWeight(text[start:end], start, end, each, log(query.uncertainty.sigma / each.sigma))
        for (start, end), each in zip(places, measured, strict=False)
    )
    return WeighedText(query, weights, found)


def _more_specific(engine: Engine, query: EncodedQuery) -> tuple[Described, ...]:
    gallery = engine.gallery
    best = engine.best(query, BEST)
    rows = more_specific(
        gallery, query.gaussian, query.text or "", captions_of(gallery, (hit.item.id for hit in best)), SUGGESTIONS
    )
    return described(gallery, Modality.TEXT, list(rows))
