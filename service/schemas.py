"""What requests look like: every field with its range, nothing else accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Self

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from index.filters.conditions import Filter
from index.filters.form import EXAMPLE, parse, read
from index.items import Modality
from index.searching.rerank import Rerank
from index.searching.retriever import SearchOptions
from models.errors import FilterError
from service.errors import LimitError
from service.settings import Limits


class Strict(BaseModel):
    """Takes the fields it has; any other is answered with the names of those."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values:
                if name not in cls.model_fields:
                    raise ValueError(_no_such_field(str(name), list(cls.model_fields)))
        return values


def _no_such_field(name: str, fields: list[str]) -> str:
    near = get_close_matches(name, fields, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"There is no field {name[:80]!r}: {hint}the fields are {', '.join(fields)}."


def check_limit(name: str, value: int, limit: int) -> None:
    """Raise `LimitError` when a field's value is above its limit."""
    if value > limit:
        raise LimitError(f"{name} is {value}, more than the {limit} allowed here; ask for {limit} at most.")


def _by(reading: Callable[[Any], Filter]) -> PlainValidator:
    """A field that is read so; what cannot be read is told like any other wrong field."""

    def read_field(given: Any) -> Filter | None:
        try:
            return None if given is None else reading(given)
        except FilterError as error:
            raise ValueError(str(error)) from error

    return PlainValidator(read_field)


_FILTER = (
    'Only items of which this holds may answer: for each field a value, a set {"in": […]}, or bounds (gte, gt, lte, '
    "lt). Fields are id, image_id, label and those of the metadata, a nested one as outer.inner; a caption has those "
    "of its image. An item without the field, or with a value of another type, does not answer."
)
FilterObject = Annotated[
    Filter | None, _by(parse), WithJsonSchema({"type": "object", "description": _FILTER, "examples": [EXAMPLE]})
]
FilterText = Annotated[
    Filter | None,
    _by(read),
    WithJsonSchema({"type": "string", "description": f"{_FILTER} As JSON.", "examples": [json.dumps(EXAMPLE)]}),
]


class SearchFields(Strict):
    """What both searches can be told."""

    gallery: str | None = Field(None, description="The gallery's name, from /info, where the path does not name it.")
    top_k: int = Field(
        10, ge=1, description="Answers at most, from 1 to the limit in /info; a larger gallery is not needed."
    )
    shortlist: int | None = Field(
        None,
        ge=1,
        description="Nearest items that get a probability, from 1 to the limit in /info; without it as many as the "
        "gallery was measured to need, which /info says (200 where nothing was measured).",
    )
    rerank: Rerank = Field(
        Rerank.SAMPLED,
        description="sampled: by J × J pairs of samples, with a standard error. closed_form: without sampling noise. "
        "exhaustive: closed_form for every item there is; shortlist is not read. none: the shortlist by mean distance.",
    )
    samples: int = Field(7, ge=1, description="J, samples a side, from 1 to the limit in /info; for rerank = sampled.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the samples, from 0 to 2⁶³ − 1.")
    min_match_probability: float = Field(0, ge=0, le=1, description="Items below it are left out, from 0 to 1.")
    projection: bool = Field(False, description="Whether to say where the query and the answers lie in a plane.")

    filter: Filter | None = None

    def options(self, limits: Limits) -> SearchOptions:
        """As the retriever takes it; raises `LimitError`."""
        check_limit("top_k", self.top_k, limits.top_k)
        check_limit("shortlist", self.shortlist or 1, limits.shortlist)
        check_limit("samples", self.samples, limits.samples)
        names = ("top_k", "shortlist", "rerank", "samples", "seed", "min_match_probability", "filter", "projection")
        return SearchOptions(**{name: getattr(self, name) for name in names})


class TextSearch(SearchFields):
    """A search for pictures."""

    text: str = Field(description="What the picture shows, in words; from 1 character to the limit in /info.")
    filter: FilterObject = None


class ImageSearch(SearchFields):
    """A search for texts: by an upload or by an image of the gallery."""

    image: UploadFile | None = Field(
        None, description="A picture's file: JPEG, PNG, WebP, GIF, BMP or TIFF. Not together with image_id."
    )
    image_id: str | None = Field(None, description="The id of an image of the gallery. Not with image.")
    filter: FilterText = None

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if (self.image is None) == (self.image_id is None):
            raise ValueError("Give one of image (a file) and image_id (of an image in the gallery), not both.")
        return self


class ImageUpload(Strict):
    """A picture whose uncertainty is asked for."""

    image: UploadFile = Field(description="A picture's file: JPEG, PNG, WebP, GIF, BMP or TIFF.")


class Order(StrEnum):
    """Which end of a list comes first."""

    DESCENDING = "desc"
    ASCENDING = "asc"


class UncertaintyQuestion(Strict):
    """One of three: the uncertainty of a text, of an item, or a list of items."""

    text: str | None = Field(None, description="A text, from 1 character to the limit in /info.")
    id: str | None = Field(None, description="The id of an item of the gallery, of either modality.")
    modality: Modality | None = Field(None, description="List the gallery's images or texts.")
    order: Order = Field(Order.DESCENDING, description="For a list: the most (desc) or least uncertain first.")
    limit: int = Field(10, ge=1, description="For a list: items on a page, from 1 to the limit top_k in /info.")
    offset: int = Field(0, ge=0, lt=2**63, description="For a list: items left out before the page, 0 or more.")
    min_sigma: float = Field(0, ge=0, description="For a list: items with a smaller sigma are left out, 0 or more.")
    max_sigma: float | None = Field(
        None, ge=0, description="For a list: items with a greater sigma are left out, 0 or more; none without it."
    )
    filter: FilterText = Field(
        None, description="For a list: only items of which this holds, in JSON as the searches take it."
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if [self.text, self.id, self.modality].count(None) != 2:
            raise ValueError("Give exactly one of text, id and modality.")
        return self
