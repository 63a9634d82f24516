"""One query, free of HTTP: validated query -> encode -> search -> answer. Everything is loaded once, in `open`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, Final, Self, TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from index.gallery import Gallery, Uncertainty
from index.items import Item, Modality
from index.manifest import read_manifest
from index.retriever import ANSWERS, Retriever, SearchOptions, SearchResult
from index.shortlist import set_threads
from models.calibration import Direction
from models.checkpoint import LoadedModel, load
from models.gaussian import Gaussian
from models.image import ImageLimits, Pixels, decode, encode_png, frame, normalise
from models.text import TextLimits, check
from service.batching import Admission, EncodingWorker
from service.errors import DeadlineError, UnknownItemError, WrongModalityError
from service.settings import Limits, Settings

T = TypeVar("T")

ASKS: Final[Mapping[Modality, Direction]] = {
    Modality.TEXT: Direction.TEXT_TO_IMAGE,
    Modality.IMAGE: Direction.IMAGE_TO_TEXT,
}
"""The direction of search that a query of each modality asks for."""

# A picture costs the encoder more than a text, whatever the model.
_TEXT_COST, _IMAGE_COST = 0, 1
# Decoding a large picture takes seconds and 200 MB: never more than this many at once.
_DECODERS, _SEARCHERS = 2, 2


@dataclass(frozen=True)
class TextQuery:
    """A text as it was sent."""

    text: str


@dataclass(frozen=True)
class ImageQuery:
    """The bytes of a picture's file."""

    data: bytes


@dataclass(frozen=True)
class ItemQuery:
    """An item of the gallery, whose stored Gaussian asks; of a certain modality where one is named."""

    id: str
    modality: Modality | None = None


Query = TextQuery | ImageQuery | ItemQuery


@dataclass(frozen=True, eq=False)
class EncodedQuery:
    """A query with its Gaussian [dim] and what was understood of it."""

    modality: Modality
    gaussian: Gaussian
    uncertainty: Uncertainty
    text: str | None = None
    id: str | None = None
    unknown_words: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """What was asked and what was found."""

    query: EncodedQuery
    result: SearchResult


@dataclass(frozen=True)
class Described:
    """An item of the gallery with its uncertainty."""

    item: Item
    uncertainty: Uncertainty


class Clock:
    """Milliseconds of each stage of one request."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block, waiting included."""
        started = perf_counter()
        yield
        self.stages[stage] = 1000 * (perf_counter() - started)


class Engine:
    """Answers queries; its methods that are coroutines belong to one event loop, the others to any thread.

    Args:
        model: ready to encode.
        gallery: made by this model.
        limits: what a query may ask for.
        threads: of one computation; torch, faiss and OpenMP are pinned to it in every thread that computes.
    """

    def __init__(self, model: LoadedModel, gallery: Gallery, limits: Limits, threads: int) -> None:
        self.model = model
        self.gallery = gallery
        self.limits = limits
        self.admission = Admission(limits.queue)
        encoder = model.encoder
        self._retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
        pin = partial(pin_threads, threads)
        self.worker = EncodingWorker(limits.batch, pin)
        self._decoding = ThreadPoolExecutor(_DECODERS, "decoder", pin)
        self._searching = ThreadPoolExecutor(_SEARCHERS, "searcher", pin)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Load the model and open the gallery.

        Raises:
            ArtifactError: one of them is missing, damaged, or the gallery is another model's.
        """
        named = read_manifest(settings.gallery).model
        model = load(settings.model or settings.gallery / named)
        gallery = Gallery.open(settings.gallery, model=model.fingerprint)
        return cls(model, gallery, settings.limits, settings.threads)

    def close(self) -> None:
        """Finish what has begun and end the threads."""
        self.worker.close()
        self._decoding.shutdown()
        self._searching.shutdown()
        self.gallery.close()

    async def search(self, query: Query, options: SearchOptions, clock: Clock) -> Answer:
        """Answer a query with the items of the other modality.

        Raises:
            InputError, UnknownItemError: the query is not acceptable, or names no item.
            OverloadedError, DeadlineError: there is no room for it, or no time.
        """
        async with self._admitted():
            encoded = await self._encode(query, clock)
            direction = ASKS[encoded.modality]
            if options.shortlist is None:
                options = replace(options, shortlist=self.shortlist_size(ANSWERS[direction]))
            with clock.time("search"):
                result = await self._in(self._searching, self._retriever.search, encoded.gaussian, direction, options)
        clock.stages.update(result.stages)
        return Answer(encoded, result)

    async def encode(self, query: Query, clock: Clock) -> EncodedQuery:
        """The Gaussian and the uncertainty of a query; raises what `search` raises."""
        async with self._admitted():
            return await self._encode(query, clock)

    def shortlist_size(self, modality: Modality) -> int:
        """The items of a modality that get a probability when a search does not say how many."""
        return min(self.gallery.manifest.shortlists[modality].size, self.limits.shortlist)

    def loss_is_current(self, modality: Modality) -> bool:
        """Whether what the shortlist of a modality loses was measured with the calibration that answers now."""
        loss = self.gallery.manifest.shortlists[modality].loss
        [direction] = (each for each, answers in ANSWERS.items() if answers is modality)
        return loss is None or loss.compared_with(self._retriever.head(direction))

    def describe(self, identifier: str) -> Described:
        """An item; raises `UnknownItemError`."""
        modality, row = self._find(identifier)
        return self._described(modality, [row])[0]

    def by_uncertainty(self, modality: Modality, *, descending: bool, limit: int, offset: int) -> tuple[Described, ...]:
        """Items of a modality in the order of their σ."""
        rows = self.gallery.by_uncertainty(modality, descending=descending, limit=limit, offset=offset)
        return self._described(modality, [int(row) for row in rows])

    def picture(self, identifier: str) -> bytes:
        """The JPEG of an image; raises `UnknownItemError`, and `WrongModalityError` for a caption."""
        jpeg = self.gallery.picture(identifier)
        if jpeg is None:
            self._find(identifier)
            raise WrongModalityError(f"The item {identifier!r} is a text and has no picture; name an image.")
        return jpeg

    async def warm_up(self) -> None:
        """Encode a text and a picture, and search once with each, so that the first caller does not wait for it."""
        grey = encode_png(np.full((64, 64, 3), 128, dtype=np.uint8))
        for query in (TextQuery("a picture"), ImageQuery(grey)):
            await self.search(query, SearchOptions(), Clock())

    async def _encode(self, query: Query, clock: Clock) -> EncodedQuery:
        match query:
            case TextQuery(text):
                return await self._encode_text(check(text, TextLimits(self.limits.characters)), clock)
            case ImageQuery(data):
                return await self._encode_image(data, clock)
            case ItemQuery(identifier, modality):
                return self._encode_item(identifier, modality)

    async def _encode_text(self, text: str, clock: Clock) -> EncodedQuery:
        encoder = self.model.encoder
        with clock.time("encode"):
            job = self.worker.submit(lambda: encoder.encode_texts([text]), _TEXT_COST)
            gaussian = await asyncio.wrap_future(job)
        unknown = encoder.vocabulary.unknown(text)
        return self._encoded(Modality.TEXT, gaussian, text=text, unknown_words=unknown)

    async def _encode_image(self, data: bytes, clock: Clock) -> EncodedQuery:
        encoder = self.model.encoder
        with clock.time("decode"):
            pixels = await self._in(self._decoding, self._framed, data)
        with clock.time("encode"):
            job = self.worker.submit(lambda: encoder.encode_pixels(normalise(pixels[None])), _IMAGE_COST)
            gaussian = await asyncio.wrap_future(job)
        return self._encoded(Modality.IMAGE, gaussian)

    def _encode_item(self, identifier: str, wanted: Modality | None) -> EncodedQuery:
        modality, row = self._find(identifier)
        if wanted not in (None, modality):
            raise WrongModalityError(
                f"The item {identifier!r} is of modality {modality.value}; name one of modality {wanted}."
            )
        return self._encoded(modality, self.gallery.gaussians(modality, [row]), id=identifier)

    def _encoded(self, modality: Modality, gaussian: Gaussian, **understood: Any) -> EncodedQuery:
        """Of a Gaussian [1, dim]; a query is compared with the items of its own modality."""
        local = gaussian.to("cpu")
        [uncertainty] = self.gallery.uncertainties(modality, local)
        return EncodedQuery(modality, local[0], uncertainty, **understood)

    def _framed(self, data: bytes) -> Pixels:
        """What the encoder sees of a picture, made exactly as the gallery's pictures were."""
        framing = self.model.encoder.config.framing
        at_least = max(framing.resized, self.gallery.manifest.parameters.thumbnail_side)
        limits = ImageLimits(self.limits.bytes, self.limits.pixels)
        return frame(decode(data, limits, at_least=at_least), framing)

    def _find(self, identifier: str) -> tuple[Modality, int]:
        found = self.gallery.find(identifier)
        if found is None:
            raise UnknownItemError(
                f"The gallery has no item {identifier!r}; take an id from a search or from /uncertainty."
            )
        return found

    def _described(self, modality: Modality, rows: list[int]) -> tuple[Described, ...]:
        items = self.gallery.items(modality, rows)
        uncertainties = self.gallery.uncertainties(modality, self.gallery.gaussians(modality, rows))
        return tuple(map(Described, items, uncertainties))

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        """A place in the server, for as long as the deadline allows."""
        seconds = self.limits.deadline_seconds
        with self.admission():
            try:
                async with asyncio.timeout(seconds):
                    yield
            except TimeoutError as error:
                raise DeadlineError(
                    f"The answer was not ready within {seconds:g} seconds; try again when the server is less busy."
                ) from error

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, partial(function, *arguments))


def pin_threads(count: int) -> None:
    """Let torch, faiss, OpenMP and BLAS use `count` threads for what the calling thread computes.

    OpenMP keeps this number for each thread that calls it, so every thread that computes has to say it.
    """
    torch.set_num_threads(count)
    set_threads(count)
    threadpool_limits(count)
