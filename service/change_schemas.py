"""What changes look like: captions as JSON, an image as a form."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import UploadFile
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from index.items import Item, Modality
from service.changing import NewItems
from service.schemas import Strict, check_limit
from service.settings import Limits

_ID_LENGTH: Final = 512


def _printable(identifier: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in identifier):
        raise ValueError("An id must not hold control characters; name the item without them.")
    return identifier


def _storable(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """Only what comes out of JSON as it went in: no NaN, no lone surrogates."""
    try:
        json.dumps(meta, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"meta cannot be kept as JSON ({error}); correct it.") from error
    return meta


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"meta is not JSON ({error}); send an object.") from error


Meta = Annotated[dict[str, Any], AfterValidator(_storable)]
MetaText = Annotated[
    Meta, BeforeValidator(_parsed), WithJsonSchema({"type": "string", "contentMediaType": "application/json"})
]
Id = Annotated[
    str,
    AfterValidator(_printable),
    Field(min_length=1, max_length=_ID_LENGTH, description="Any text that no other item has for an id."),
]
_META: Final = "A JSON object of what else is to be known of it."
_LABEL: Final = "Its class, where there are classes."
_GALLERY: Final = "The gallery's name, from /info, where the path does not name it."


class Caption(Strict):
    """A caption without its id."""

    text: str = Field(description="The words; from 1 character to the limit in /info.")
    image_id: str | None = Field(None, description="The image it is of, which is in the gallery; null for none.")
    label: str | None = Field(None, description=_LABEL)
    meta: Meta = Field({}, description=_META)

    def named(self, identifier: str) -> NewItems:
        """As a change of one item."""
        return NewItems((self.item(identifier),))

    def item(self, identifier: str) -> Item:
        """As the index has it."""
        return Item(identifier, Modality.TEXT, self.text, self.image_id, self.label, self.meta)


class NewCaption(Caption):
    """A caption."""

    id: Id


class NewCaptions(Strict):
    """Captions that come together, all or none."""

    gallery: str | None = Field(None, description=_GALLERY)
    items: list[NewCaption] = Field(min_length=1, description="From 1 to the limit `changes` in /info.")

    def new(self, limits: Limits) -> NewItems:
        """As a change; raises `LimitError`."""
        check_limit("The number of items", len(self.items), limits.changes)
        return NewItems(tuple(each.item(each.id) for each in self.items))


class Image(Strict):
    """An image without its id, with captions of its own."""

    image: UploadFile = Field(description="A picture's file: JPEG, PNG, WebP, GIF, BMP or TIFF.")
    captions: list[str] = Field(
        [], description="Captions of it, the field once for each; that number n, from 0, gets the id `{id}#{n}`."
    )
    label: str | None = Field(None, description=_LABEL)
    meta: MetaText = Field({}, description=f"{_META} As text.")

    async def named(self, identifier: str, limits: Limits) -> NewItems:
        """As a change; raises `LimitError`."""
        check_limit("The number of items", 1 + len(self.captions), limits.changes)
        captions = (
            Item(f"{identifier}#{place}", Modality.TEXT, text, identifier, self.label)
            for place, text in enumerate(self.captions)
        )
        image = Item(identifier, Modality.IMAGE, None, identifier, self.label, self.meta)
        return NewItems(tuple(captions), image, await self.image.read())


class NewImage(Image):
    """An image with captions of its own."""

    gallery: str | None = Field(None, description=_GALLERY)
    id: Id
