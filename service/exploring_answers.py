"""What answers about the model and the gallery look like: every field with its range."""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, Field
from torch import Tensor

from index.exploring.audit import Hubness
from index.exploring.histogram import Histogram
from index.items import Modality
from models.attention_maps import PictureAttention, TextAttention
from models.image import Area
from service.answers import ItemAnswer, QueryAnswer, Rounded, UncertaintyAnswer
from service.attention import Attended
from service.engine import Engine
from service.exploring_schemas import OdditiesQuestion
from service.oddities import Oddities, OddityKind, ShownOddity
from service.words import WeighedText, WordWeight


class GridAnswer(BaseModel):
    """The cells that a picture is looked at in."""

    height: int = Field(description="Rows, 1 or more.")
    width: int = Field(description="Columns, 1 or more.")


class AreaAnswer(BaseModel):
    """The part of a picture that a grid lies on; the model sees no more of it."""

    left: Rounded = Field(description="Where it begins, as a share of the picture's width, 0 to 1.")
    top: Rounded = Field(description="Where it begins, as a share of the picture's height, 0 to 1.")
    width: Rounded = Field(description="As a share of the picture's width, 0 to 1.")
    height: Rounded = Field(description="As a share of the picture's height, 0 to 1.")

    @classmethod
    def of(cls, area: Area) -> Self:
        """From the model's value."""
        return cls(**asdict(area))


class MarksAnswer(BaseModel):
    """Shares of a text's attention that no word has: its beginning and its end are marked, and attended to."""

    mean: Rounded | None = Field(description="Of the mean branch's attention, 0 to 1; null where that is null.")
    variance: Rounded | None = Field(description="Of the variance branch's, 0 to 1; null where that is null.")


class AttentionAnswer(BaseModel):
    """What the model's two branches look at."""

    modality: Modality = Field(description="image or text.")
    text: str | None = Field(description="The text that was read; null for a picture.")
    id: str | None = Field(description="The item that was asked for; null for a text or an upload.")
    unknown_words: list[str] = Field(description="Words that the model has never seen.")
    words: list[str] | None = Field(description="The words as the model read them; null for a picture.")
    grid: GridAnswer | None = Field(description="Null for a text.")
    area: AreaAnswer | None = Field(
        description="Where the grid lies on the whole picture, an item's on its stored picture; null for a text."
    )
    mean: list[Rounded] | None = Field(
        description="What the place of the Gaussian comes from: a weight for each word, or for each cell row by row, "
        "0 to 1, together 1; the average over heads where there are several. Null for a model without attention."
    )
    variance: list[Rounded] | None = Field(
        description="What its width comes from, likewise; null for a model without a branch for it."
    )
    marks: MarksAnswer | None = Field(
        description="What the marks of beginning and end have beside the words; null for a picture."
    )

    @classmethod
    def of(cls, attended: Attended) -> Self:
        """From the service's value."""
        found, maps = attended.found, attended.found.maps
        return cls(
            modality=Modality.TEXT if isinstance(found, TextAttention) else Modality.IMAGE,
            text=attended.text,
            id=attended.id,
            unknown_words=list(attended.unknown_words),
            words=list(found.words) if isinstance(found, TextAttention) else None,
            grid=GridAnswer(height=found.height, width=found.width) if isinstance(found, PictureAttention) else None,
            area=AreaAnswer.of(found.area) if isinstance(found, PictureAttention) else None,
            mean=_weights(maps.mean),
            variance=_weights(maps.variance),
            marks=_marks(found),
        )


def _weights(weights: Tensor | None) -> list[float] | None:
    return None if weights is None else weights.tolist()


def _marks(found: TextAttention | PictureAttention) -> MarksAnswer | None:
    if isinstance(found, PictureAttention):
        return None
    return MarksAnswer(mean=found.mean_on_marks, variance=found.variance_on_marks)


class WordAnswer(BaseModel):
    """What one word does to the uncertainty of its text."""

    word: str = Field(description="As it is written.")
    start: int = Field(description="Its first character (Unicode code point) in the query's text, from 0.")
    end: int = Field(description="The character after its last.")
    uncertainty: UncertaintyAnswer = Field(description="Of the text without this word.")
    change: Rounded = Field(
        description="Natural logarithm of sigma with the word / sigma without it: above 0 where it raises sigma."
    )

    @classmethod
    def of(cls, weight: WordWeight) -> Self:
        """From the service's value."""
        return cls(
            word=weight.word,
            start=weight.start,
            end=weight.end,
            uncertainty=UncertaintyAnswer.of(weight.without),
            change=weight.change,
        )


class WordsAnswer(BaseModel):
    """Which words make a text vague, and what could be said instead."""

    query: QueryAnswer = Field(description="The whole text.")
    words: list[WordAnswer] = Field(description="In the order of the text; none where it has one word only.")
    more_specific: list[ItemAnswer] = Field(
        description="Up to 3 texts of the gallery near this one whose sigma is at most 0.9 of its own: first those "
        "that leave out the fewest of its words, of these the nearest by the mean; no two of the same words."
    )

    @classmethod
    def of(cls, weighed: WeighedText, engine: Engine) -> Self:
        """From the value of this engine."""
        return cls(
            query=QueryAnswer.of(weighed.query),
            words=[WordAnswer.of(weight) for weight in weighed.words],
            more_specific=[ItemAnswer.of(each, engine) for each in weighed.more_specific],
        )


class HistogramAnswer(BaseModel):
    """How sigma is distributed among the gallery's items of a modality."""

    modality: Modality
    total: int = Field(description="Items of this modality in the gallery.")
    edges: list[float] = Field(
        description="Of the bins, one more than these, rising from the smallest sigma to the greatest; none where "
        "there are no items. They can be given as min_sigma and max_sigma as they are."
    )
    counts: list[int] = Field(
        description="Items of each bin, from its edge to below the next; in the last one up to the edge itself. There "
        "are fewer bins than were asked for where sigma differs by too little for so many."
    )

    @classmethod
    def of(cls, modality: Modality, found: Histogram) -> Self:
        """From the index's value."""
        # The shortest decimals that are read back as the same float32.
        edges = [float(str(edge)) for edge in found.edges]
        return cls(modality=modality, total=int(found.counts.sum()), edges=edges, counts=found.counts.tolist())


class OwnCaptionAnswer(BaseModel):
    """A caption of an image, and whether it matches it."""

    id: str
    text: str
    match_probability: Rounded = Field(description="With its own image, 0 to 1, in closed form.")


class OddityAnswer(BaseModel):
    """An odd item."""

    item: ItemAnswer
    match_probability: Rounded | None = Field(
        description="Of a mismatched image: that of its worst caption; of a text: with its own image. Null for a hub."
    )
    captions: list[OwnCaptionAnswer] = Field(description="Of a mismatched image: its own; none for anything else.")
    occurrences: int | None = Field(
        description="Of a hub: how many queries have it among their first answers; null for anything else."
    )
    expected: Rounded | None = Field(description="The same if chance drew the answers; null for anything else.")

    @classmethod
    def of(cls, shown: ShownOddity, expected: float | None, engine: Engine) -> Self:
        """From the value of this engine."""
        return cls(
            item=ItemAnswer.of(shown.item, engine),
            match_probability=shown.oddity.match_probability,
            captions=[
                OwnCaptionAnswer(id=item.id, text=item.text or "", match_probability=probability)
                for item, probability in shown.captions
            ],
            occurrences=shown.oddity.occurrences,
            expected=expected,
        )


class HubnessAnswer(BaseModel):
    """How far the first answers are from being spread over all items."""

    queries: int = Field(description="Items of the other modality that asked.")
    answers: int = Field(description="First answers of each that were counted.")
    skewness: Rounded | None = Field(
        description="Of the occurrences of all items, 0 where they are spread alike to both sides; null where equal."
    )
    skewness_by_chance: Rounded | None = Field(description="The same if chance drew the answers.")


class OdditiesAnswer(BaseModel):
    """A page of odd items, the oddest first."""

    kind: OddityKind
    modality: Modality
    total: int = Field(description="Odd items of this kind and modality that are still there, of 1,000 at most.")
    created: str = Field(description="When the audit ended, UTC, ISO 8601.")
    current: bool = Field(description="Whether the gallery is as it was then.")
    hubness: HubnessAnswer | None = Field(description="Null for mismatched.")
    items: list[OddityAnswer]

    @classmethod
    def of(cls, question: OdditiesQuestion, found: Oddities, engine: Engine) -> Self:
        """From the value of this engine."""
        hubness = found.hubness
        expected = None if hubness is None else hubness.expected
        return cls(
            kind=question.kind,
            modality=question.modality,
            total=found.total,
            created=found.audit.created,
            current=found.current,
            hubness=None if hubness is None else _hubness(hubness),
            items=[OddityAnswer.of(each, expected, engine) for each in found.shown],
        )


def _hubness(hubness: Hubness) -> HubnessAnswer:
    return HubnessAnswer(
        queries=hubness.queries,
        answers=hubness.answers,
        skewness=hubness.skewness,
        skewness_by_chance=hubness.skewness_by_chance,
    )
