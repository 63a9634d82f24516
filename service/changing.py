"""Changes of a gallery that is searched: encoded among the queries, written in a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from index.changes.change import Addition
from index.items import Item, Modality
from index.searching.contract import ChangingGallery
from models.errors import ArtifactError
from models.gaussian import Gaussian
from models.image import frame, normalise, thumbnail
from models.text import TextLimits, check
from service.engine import Described, Engine
from service.errors import StorageError
from service.settings import Settings


@dataclass(frozen=True)
class NewItems:
    """What is to be in a gallery: captions, or an image (the bytes of its file) with captions of its own."""

    captions: tuple[Item, ...]
    image: Item | None = None
    picture: bytes = b""


async def encode(engine: Engine, new: NewItems) -> tuple[Addition, ...]:
    """The items with their Gaussians, as `index.building.build` would make them.

    Raises:
        ReadOnlyError: the server does not change galleries.
        ImageError, TextError: the picture or a caption is not acceptable.
        OverloadedError, DeadlineError: there is no room for it, or no time.
    """
    engine.holding.require_writable()
    async with engine.admitted(("additions", len(new.captions))):
        images = [] if new.image is None else [await _encode_picture(engine, new.image, new.picture)]
        return *images, *await _encode_captions(engine, new.captions)


async def make(engine: Engine, change: Callable[[ChangingGallery], None], settings: Settings) -> None:
    """Make a change; returns when it is on the disk, and goes on to its end though the caller is cancelled.

    Raises:
        OverloadedError: there is no room for it.
        ChangeError, UnknownIdError, ReadOnlyError, LockedError: it cannot be made.
        StorageError: it could not be written.
    """
    await asyncio.shield(asyncio.create_task(_made(engine, change)))
    engine.compact_if_due(settings.compaction)


async def _made(engine: Engine, change: Callable[[ChangingGallery], None]) -> None:
    """Hold a place while a change waits for the disk, though its caller gives up: so changes cannot pile up there."""
    with engine.admission("change"):
        await asyncio.get_running_loop().run_in_executor(engine.holding.writer, _make, engine, change)


def describe(engine: Engine, additions: Sequence[Addition]) -> tuple[Described, ...]:
    """The items of additions, with their uncertainties among those of the gallery."""
    gallery = engine.gallery
    return tuple(
        Described(each.item, *gallery.uncertainties(each.item.modality, each.gaussian[None])) for each in additions
    )


def _make(engine: Engine, change: Callable[[ChangingGallery], None]) -> None:
    try:
        change(engine.holding.changeable())
    except ArtifactError as error:
        raise StorageError(str(error)) from error


async def _encode_picture(engine: Engine, image: Item, data: bytes) -> Addition:
    pixels, jpeg = await engine.workers.decode(_loaded, engine, data)
    return Addition(image, _single(await engine.in_batch(Modality.IMAGE, pixels)), jpeg)


async def _encode_captions(engine: Engine, captions: Sequence[Item]) -> list[Addition]:
    limits, vocabulary = TextLimits(engine.limits.characters), engine.model.encoder.vocabulary
    captions = [replace(each, text=check(each.text or "", limits)) for each in captions]
    found = await engine.in_batches(Modality.TEXT, [vocabulary.encode(each.text or "") for each in captions])
    return [Addition(item, _single(gaussian)) for item, gaussian in zip(captions, found, strict=True)]


def _loaded(engine: Engine, data: bytes) -> tuple[Tensor, bytes]:
    """What the encoder sees of a picture [1, 3, side, side], and the JPEG that is kept of it."""
    picture, framing = engine.decoded(data), engine.model.encoder.config.framing
    return normalise(frame(picture, framing)[None]), thumbnail(picture, engine.thumbnail_side)


def _single(gaussian: Gaussian) -> Gaussian:
    """Gaussian [1, dim] -> [dim], on the CPU."""
    return gaussian.to("cpu")[0]
