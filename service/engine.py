"""One query over one gallery, free of HTTP: validated query -> encode -> search -> answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, Self

import numpy as np
from torch import Tensor

from index.building.build import match_heads
from index.exploring.histogram import Histogram, histogram
from index.files.manifest import read_manifest
from index.filters.conditions import Filter
from index.items import Item, Modality
from index.searching.contract import GalleryState
from index.searching.rerank import Rerank
from index.searching.retriever import ANSWERS, Hit, Retriever, SearchOptions, SearchResult
from index.searching.uncertainty import Uncertainty
from models.calibration import Direction
from models.checkpoint import LoadedModel, load
from models.gaussian import Gaussian
from models.image import ImageLimits, Picture, decode, encode_png, frame, normalise
from models.text import TextLimits, check
from service.drift import watch
from service.encoding import Encoding
from service.errors import DeadlineError, UnknownItemError, WrongModalityError
from service.holding import Holding
from service.settings import Compaction, Limits, Settings
from service.workers import Workers

ASKS: Final[Mapping[Modality, Direction]] = {
    Modality.TEXT: Direction.TEXT_TO_IMAGE,
    Modality.IMAGE: Direction.IMAGE_TO_TEXT,
}
"""The direction of search that a query of each modality asks for."""
TOGETHER: Final = 8
"""Inputs of one request that wait for the encoder at once, so that those of others come in between."""


@dataclass(frozen=True)
class Place:
    """Where a gallery of the server lies.

    Args:
        name: by which requests choose it.
        directory: its folder, or a link to one.
        model: its model's folder; None where it is the one that the gallery names.
        address: what stands before `/items/…` in the paths of its pictures.
    """

    name: str
    directory: Path
    model: Path | None = None
    address: str = ""


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


@dataclass(frozen=True)
class StoredPicture:
    """The JPEG of an image, and what tells it from the one that the image may have later; None where nothing does."""

    jpeg: bytes
    version: str | None


@dataclass(frozen=True)
class Page:
    """A part of a list: how many items, after how many; the greatest first where it is descending."""

    descending: bool
    limit: int
    offset: int


@dataclass(frozen=True)
class Among:
    """Which items a list is of: those with σ from `least` to `most` that a filter lets through."""

    least: float = 0.0
    most: float = math.inf
    wanted: Filter | None = None


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
        place: where the gallery lies.
        model: with the calibration and the familiarity that belong to this gallery.
        encoding: of the same model; `close` gives it back.
        holding: of a gallery made by this model; `close` ends its use.
        workers: shared with the other galleries.
        limits: what a query may ask for.
    """

    def __init__(
        self,
        place: Place,
        model: LoadedModel,
        encoding: Encoding,
        holding: Holding,
        workers: Workers,
        limits: Limits,
    ) -> None:
        self.place = place
        self.encoding = encoding
        self.model = encoding.model
        self.runtimes = encoding.runtimes
        self.worker = encoding.worker
        self.holding = holding
        self.limits = limits
        self.workers = workers
        self.admission = workers.admission
        # Not those of the shared encoder: a fingerprint leaves out the calibration.
        self.calibration = model.encoder.calibration
        self.heads = match_heads(model)
        self.watched = watch(self.calibration)
        self._retriever = Retriever(holding, model.encoder.match, self.calibration, model.encoder.familiarity)

    @classmethod
    def open(cls, place: Place, workers: Workers, settings: Settings, beside: Engine | None = None) -> Self:
        """Load the model and open the gallery.

        Args:
            place: where they lie.
            workers: shared with the other galleries.
            settings: of the server.
            beside: what answers for this place now.

        Raises:
            ArtifactError: one of them is missing, damaged, or the gallery is another model's.
            ConfigError: the runtime asked for cannot be used here.
        """
        # Once: a link may lead elsewhere a moment later.
        directory = place.directory.resolve()
        model = load(place.model or directory / read_manifest(directory).model)
        with ExitStack() as undo:
            holding = _held(directory, model, settings.writable, beside)
            undo.callback(holding.close)
            engine = cls(place, model, workers.encodings.take(model), holding, workers, settings.limits)
            undo.pop_all()
        return engine

    @property
    def gallery(self) -> GalleryState:
        """Its state at this moment."""
        return self.holding.gallery

    @property
    def fingerprint(self) -> str:
        """Of the gallery."""
        return self.gallery.fingerprint

    def check(self) -> None:
        """Raise `UnavailableError` where what the gallery lies in does not answer."""
        self.holding.check()

    def close(self) -> None:
        """Finish what is queued, where no other gallery needs the model, and close the gallery."""
        self.workers.encodings.give_back(self.encoding)
        self.holding.close()

    async def search(self, query: Query, options: SearchOptions, clock: Clock) -> Answer:
        """Answer a query with the items of the other modality.

        Raises:
            InputError, UnknownItemError: the query is not acceptable, or names no item.
            OverloadedError, DeadlineError: there is no room for it, or no time.
        """
        async with self.admitted(kind_of(query, options)):
            return await self._answer(query, options, clock)

    async def encode(self, query: Query, clock: Clock) -> EncodedQuery:
        """The Gaussian and the uncertainty of a query; raises what `search` raises."""
        async with self.admitted(kind_of(query)):
            return await self._encode(query, clock)

    def best(self, query: EncodedQuery, count: int) -> tuple[Hit, ...]:
        """The most probable items for a query, without sampling noise; computed in the thread that asks."""
        direction = ASKS[query.modality]
        size = self.shortlist_size(ANSWERS[direction])
        options = SearchOptions(top_k=count, shortlist=size, rerank=Rerank.CLOSED_FORM)
        return self._retriever.search(query.gaussian, direction, options).hits

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
        gallery = self.gallery
        modality, row = find(gallery, identifier)
        return described(gallery, modality, [row])[0]

    def by_uncertainty(self, modality: Modality, page: Page, among: Among) -> tuple[int, tuple[Described, ...]]:
        """How many items of a modality there are, and a page of them in the order of their σ."""
        gallery = self.gallery
        rows = gallery.by_sigma(modality, among.least, among.most, among.wanted).rows
        ordered = rows[::-1] if page.descending else rows
        shown = ordered[page.offset : page.offset + page.limit]
        return len(rows), described(gallery, modality, [int(row) for row in shown])

    def histogram(self, modality: Modality, bins: int) -> Histogram:
        """How σ is distributed among the items of a modality."""
        return histogram(self.gallery.by_sigma(modality).values, bins)

    def picture(self, identifier: str) -> StoredPicture:
        """The picture of an image; raises `UnknownItemError`, and `WrongModalityError` for a caption."""
        gallery = self.gallery
        jpeg = gallery.picture(identifier)
        if jpeg is None:
            find(gallery, identifier)
            raise WrongModalityError(f"The item {identifier!r} is a text and has no picture; name an image.")
        return StoredPicture(jpeg, gallery.picture_version(identifier))

    async def warm_up(self) -> None:
        """Encode a text and a picture, and search once with each, so that the first caller does not wait for it.

        It takes no place from queries, and a full server does not refuse it.
        """
        grey = encode_png(np.full((64, 64, 3), 128, dtype=np.uint8))
        for query in (TextQuery("a picture"), ImageQuery(grey)):
            await self._answer(query, SearchOptions(), Clock())

    async def _answer(self, query: Query, options: SearchOptions, clock: Clock) -> Answer:
        encoded = await self._encode(query, clock)
        direction = ASKS[encoded.modality]
        if options.shortlist is None:
            options = replace(options, shortlist=self.shortlist_size(ANSWERS[direction]))
        run = self.workers.survey if self._may_take_long(options) else self.workers.search
        with clock.time("search"):
            result = await run(self._retriever.search, encoded.gaussian, direction, options)
        clock.stages.update(result.stages)
        return Answer(encoded, result)

    def _may_take_long(self, options: SearchOptions) -> bool:
        through_all = options.rerank is Rerank.EXHAUSTIVE or options.filter is not None
        return through_all or self.gallery.manifest.store is not None

    async def _encode(self, query: Query, clock: Clock) -> EncodedQuery:
        match query:
            case TextQuery(text):
                return await self._encode_text(check(text, TextLimits(self.limits.characters)), clock)
            case ImageQuery(data):
                return await self._encode_image(data, clock)
            case ItemQuery(identifier, modality):
                return await self.workers.search(self._encode_item, identifier, modality)

    def compact_if_due(self, wanted: Compaction) -> None:
        """Have the gallery built anew in the background, if it has many changes."""
        living, compactor = self.holding.living, self.holding.compactor
        if living is not None and compactor.claim(living, wanted):
            self.workers.compact(compactor.run, self.place.name, living, self.heads)

    async def _encode_text(self, text: str, clock: Clock) -> EncodedQuery:
        vocabulary = self.model.encoder.vocabulary
        with clock.time("encode"):
            gaussian = await self.in_batch(Modality.TEXT, vocabulary.encode(text))
        with clock.time("uncertainty"):
            return self.encoded(Modality.TEXT, gaussian, text=text, unknown_words=vocabulary.unknown(text))

    async def _encode_image(self, data: bytes, clock: Clock) -> EncodedQuery:
        with clock.time("decode"):
            pixels = await self.workers.decode(self._normalised, data)
        with clock.time("encode"):
            gaussian = await self.in_batch(Modality.IMAGE, pixels)
        with clock.time("uncertainty"):
            return self.encoded(Modality.IMAGE, gaussian)

    def _encode_item(self, identifier: str, wanted: Modality | None) -> EncodedQuery:
        gallery = self.gallery
        modality, row = find(gallery, identifier)
        if wanted not in (None, modality):
            raise WrongModalityError(
                f"The item {identifier!r} is of modality {modality.value}; name one of modality {wanted}."
            )
        return self.encoded(modality, gallery.gaussians(modality, [row]), id=identifier)

    def encoded(self, modality: Modality, gaussian: Gaussian, **understood: Any) -> EncodedQuery:
        """The query of a Gaussian [1, dim]; it is compared with the items of its own modality."""
        local = gaussian.to("cpu")
        [uncertainty] = self.gallery.uncertainties(modality, local)
        return EncodedQuery(modality, local[0], uncertainty, **understood)

    def _normalised(self, data: bytes) -> Tensor:
        """What the encoder sees of a picture [1, 3, side, side], made exactly as the gallery's pictures were."""
        return normalise(frame(self.decoded(data), self.model.encoder.config.framing)[None])

    def decoded(self, data: bytes) -> Picture:
        """A picture, decoded as the gallery's pictures were; raises `ImageError`."""
        at_least = max(self.model.encoder.config.framing.resized, self.thumbnail_side)
        return decode(data, ImageLimits(self.limits.bytes, self.limits.pixels), at_least=at_least)

    @property
    def thumbnail_side(self) -> int:
        """The longest side of a stored picture, in pixels."""
        return self.gallery.manifest.parameters.thumbnail_side

    @asynccontextmanager
    async def admitted(self, kind: Hashable) -> AsyncIterator[None]:
        """A place in the server for something of a kind, for as long as the deadline allows."""
        seconds = self.limits.deadline_seconds
        with self.admission(kind):
            try:
                async with asyncio.timeout(seconds):
                    yield
            except TimeoutError as error:
                raise DeadlineError.after(seconds) from error

    async def in_batch(self, modality: Modality, given: Any) -> Gaussian:
        """The Gaussian [1, dim] of word ids or of normalised pixels [1, 3, side, side], encoded among others."""
        return await asyncio.wrap_future(self.worker.submit(modality, given))

    async def in_batches(self, modality: Modality, given: Sequence[Any]) -> list[Gaussian]:
        """The same of several inputs, in their order, `TOGETHER` at a time."""
        found: list[Gaussian] = []
        for start in range(0, len(given), TOGETHER):
            waiting = (self.in_batch(modality, each) for each in given[start : start + TOGETHER])
            found += await asyncio.gather(*waiting)
        return found


def kind_of(query: Query, options: SearchOptions | None = None) -> Hashable:
    """The same for queries that take about equally long: sizes count by their number of binary digits."""
    match query:
        case TextQuery(text):
            size = len(text)
        case ImageQuery(data):
            size = len(data)
        case ItemQuery():
            size = 0
    if options is None:
        return type(query), size.bit_length()
    effort = (options.shortlist or 0) * options.samples
    return type(query), size.bit_length(), options.rerank, effort.bit_length()


def _held(directory: Path, model: LoadedModel, writable: bool, beside: Engine | None) -> Holding:
    """The gallery in a folder: what is served already, where that is still there, so that no change is lost."""
    if beside is not None and beside.holding.is_still(directory):
        beside.holding.users += 1
        return beside.holding
    return Holding.open(directory, model.fingerprint, writable)


def find(gallery: GalleryState, identifier: str) -> tuple[Modality, int]:
    """The modality and the row of an item; raises `UnknownItemError`."""
    found = gallery.find(identifier)
    if found is None:
        raise UnknownItemError(
            f"The gallery has no item {identifier!r}; take an id from a search or from /uncertainty."
        )
    return found


def described(gallery: GalleryState, modality: Modality, rows: Sequence[int]) -> tuple[Described, ...]:
    """The items of rows, in their order."""
    items = gallery.items(modality, rows)
    uncertainties = gallery.uncertainties(modality, gallery.gaussians(modality, rows))
    return tuple(map(Described, items, uncertainties))
