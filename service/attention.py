"""What the model attends to in a query: computed aside, because no batch and no runtime but torch gives attention."""

from __future__ import annotations

from dataclasses import dataclass

from index.items import Modality
from models.attention_maps import PictureAttention, TextAttention, attend_picture, attend_text
from models.image import decode
from models.text import TextLimits, check
from service.engine import Clock, Engine, ImageQuery, ItemQuery, Query, TextQuery, find, kind_of


@dataclass(frozen=True, eq=False)
class Attended:
    """A query as it was understood, and what the model attends to in it."""

    found: TextAttention | PictureAttention
    text: str | None = None
    id: str | None = None
    unknown_words: tuple[str, ...] = ()


async def attend(engine: Engine, query: Query, clock: Clock) -> Attended:
    """What the model attends to in a text, an upload or an item of the gallery.

    Raises:
        InputError, UnknownItemError: the query is not acceptable, or names no item.
        OverloadedError, DeadlineError: there is no room for it, or no time.
    """
    async with engine.admitted(("attention", kind_of(query))):
        with clock.time("attention"):
            match query:
                case TextQuery(text):
                    return await _text(engine, check(text, TextLimits(engine.limits.characters)))
                case ImageQuery(data):
                    return Attended(await engine.workers.decode(_of_upload, engine, data))
                case ItemQuery(identifier):
                    return await _item(engine, identifier)


async def _text(engine: Engine, text: str, identifier: str | None = None) -> Attended:
    found = await engine.workers.survey(attend_text, engine.encoding.encoder, text)
    return Attended(found, text, identifier, engine.encoding.encoder.vocabulary.unknown(text))


async def _item(engine: Engine, identifier: str) -> Attended:
    gallery = engine.gallery
    modality, row = find(gallery, identifier)
    if modality is Modality.IMAGE:
        return Attended(await engine.workers.decode(_of_stored, engine, engine.picture(identifier).jpeg), id=identifier)
    [item] = gallery.items(modality, [row])
    return await _text(engine, item.text or "", identifier)


def _of_upload(engine: Engine, data: bytes) -> PictureAttention:
    return attend_picture(engine.encoding.encoder, engine.decoded(data))


def _of_stored(engine: Engine, jpeg: bytes) -> PictureAttention:
    return attend_picture(engine.encoding.encoder, decode(jpeg))
