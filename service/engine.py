"""One query, free of HTTP: validated query -> encode -> search -> answer. Everything is loaded once, in `open`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter_ns
from typing import Any, Final, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from index import threads as numbers
from index.gallery import Gallery, Uncertainty
from index.items import Item, Modality
from index.manifest import read_manifest
from index.retriever import ANSWERS, Retriever, SearchOptions, SearchResult
from models.calibration import Direction
from models.checkpoint import load
from models.encoders import Encoder
from models.gaussian import Gaussian
from models.image import ImageLimits, decode, encode_png, frame, normalise
from models.independence import is_independent
from models.runtimes.choose import Equipped, equip
from models.text import SPECIALS, TextLimits, batch, check
from service.batching import Admission, Encode, EncodingWorker, Lane
from service.errors import DeadlineError, UnknownItemError, WrongModalityError
from service.settings import Limits, Settings

T = TypeVar("T")

ASKS: Final[Mapping[Modality, Direction]] = {
    Modality.TEXT: Direction.TEXT_TO_IMAGE,
    Modality.IMAGE: Direction.IMAGE_TO_TEXT,
}
"""The direction of search that a query of each modality asks for."""

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
    """Milliseconds of each stage of one request, and when those that were timed here began and ended (nanoseconds)."""

    now_ns = staticmethod(perf_counter_ns)

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.laps: dict[str, tuple[int, int]] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block, waiting included."""
        began = self.now_ns()
        yield
        self.laps[stage] = began, (ended := self.now_ns())
        self.stages[stage] = (ended - began) / 1e6


class Engine:
    """Answers queries; its methods that are coroutines belong to one event loop, the others to any thread.

    Args:
        equipped: a model ready to encode, and what computes its networks.
        gallery: made by this model.
        limits: what a query may ask for.
        threads: of one computation; torch, faiss and OpenMP are pinned to it in every thread that computes.
    """

    def __init__(self, equipped: Equipped, gallery: Gallery, limits: Limits, threads: int) -> None:
        self.model = model = equipped.model
        self.runtimes = equipped.choices
        self.gallery = gallery
        self.limits = limits
        self.admission = Admission(limits.queue, limits.lasting_queue, limits.burst_seconds)
        self._threads = threads
        self.pools: Mapping[str, int] = {}
        self._pin()
        encoder = model.encoder
        self._retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
        self.worker = EncodingWorker(_lanes(encoder, limits), self._pin)
        self._decoding = ThreadPoolExecutor(_DECODERS, "decoder", self._pin)
        self._searching = ThreadPoolExecutor(_SEARCHERS, "searcher", self._pin)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Load the model and open the gallery.

        Raises:
            ArtifactError: one of them is missing, damaged, or the gallery is another model's.
            ConfigError: the runtime asked for cannot be used here.
        """
        named = read_manifest(settings.gallery).model
        model = load(settings.model or settings.gallery / named)
        gallery = Gallery.open(settings.gallery, model=model.fingerprint)
        wanted = None if settings.runtime == "auto" else settings.runtime
        return cls(equip(model, wanted, settings.threads), gallery, settings.limits, settings.threads)

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
            gaussian = await self._in_batch(Modality.TEXT, encoder.vocabulary.encode(text))
        unknown = encoder.vocabulary.unknown(text)
        return self._encoded(Modality.TEXT, gaussian, text=text, unknown_words=unknown)

    async def _encode_image(self, data: bytes, clock: Clock) -> EncodedQuery:
        with clock.time("decode"):
            pixels = await self._in(self._decoding, self._normalised, data)
        with clock.time("encode"):
            gaussian = await self._in_batch(Modality.IMAGE, pixels)
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

    def _normalised(self, data: bytes) -> Tensor:
        """What the encoder sees of a picture [1, 3, side, side], made exactly as the gallery's pictures were."""
        framing = self.model.encoder.config.framing
        at_least = max(framing.resized, self.gallery.manifest.parameters.thumbnail_side)
        limits = ImageLimits(self.limits.bytes, self.limits.pixels)
        return normalise(frame(decode(data, limits, at_least=at_least), framing)[None])

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
                raise DeadlineError.after(seconds) from error

    async def _in_batch(self, modality: Modality, given: Any) -> Gaussian:
        return await asyncio.wrap_future(self.worker.submit(modality, given))

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, partial(function, *arguments))

    def _pin(self) -> None:
        """Every thread that computes has to do this."""
        numbers.pin(self._threads)
        self.pools = numbers.pools()


def _lanes(encoder: Encoder, limits: Limits) -> Mapping[Modality, Lane]:
    """How texts (their word ids) and pictures (normalised pixels [1, 3, side, side]) are encoded."""
    random, side = np.random.default_rng(0), encoder.config.framing.side
    words = [random.integers(len(SPECIALS) - 1, len(encoder.vocabulary), 2 + n % 30) for n in range(limits.batch)]
    pictures = [normalise(random.integers(0, 256, (1, side, side, 3), np.uint8)) for _ in range(limits.picture_batch)]
    return {
        Modality.TEXT: _lane(lambda ids: encoder.encode_tokens(*batch(ids)), [each.tolist() for each in words]),
        Modality.IMAGE: _lane(lambda pixels: encoder.encode_pixels(torch.cat(tuple(pixels))), pictures),
    }


def _lane(encode: Encode, examples: Sequence[Any]) -> Lane:
    """For batches as large as that of the examples, if each of them then gets the bits it gets alone; else of one."""
    return Lane(encode, len(examples) if is_independent(encode, examples) else 1)
