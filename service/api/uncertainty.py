"""How sure the model is: of a text, of an upload, of the gallery's items."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi import Query as Parameters
from starlette.concurrency import run_in_threadpool

from index.items import Modality
from service.answers import ItemAnswer, ItemList, QueryAnswer
from service.api import examples
from service.api.places import GalleryEngine
from service.engine import ASKS, Among, Clock, Engine, ImageQuery, Page, Query, TextQuery
from service.exploring_answers import HistogramAnswer, WordsAnswer
from service.exploring_schemas import HistogramQuestion, WordsQuestion
from service.schemas import ImageUpload, Order, UncertaintyQuestion, check_limit
from service.state import ServiceState, State
from service.words import weigh

router = APIRouter(prefix="/uncertainty", tags=["uncertainty"])


@router.get("", responses=examples.answers(examples.UNCERTAINTY, overload=True, item=True))
async def of_text_or_items(
    question: Annotated[UncertaintyQuestion, Parameters()],
    engine: GalleryEngine,
    state: ServiceState,
    response: Response,
) -> QueryAnswer | ItemAnswer | ItemList:
    """The uncertainty of a text, of an item, or the gallery's items by uncertainty: exactly one of the three."""
    if question.modality is not None:
        check_limit("limit", question.limit, state.settings.limits.top_k)
        return await run_in_threadpool(_page, question.modality, question, engine)
    if question.id is not None:
        described = await run_in_threadpool(engine.describe, question.id)
        return ItemAnswer.of(described, engine)
    return await _of_query(TextQuery(question.text or ""), engine, state, response)


@router.post("", responses=examples.answers(examples.IMAGE_UNCERTAINTY, gallery=True, overload=True))
async def of_image(
    upload: Annotated[ImageUpload, Form(media_type="multipart/form-data")],
    engine: GalleryEngine,
    state: ServiceState,
    response: Response,
) -> QueryAnswer:
    """The uncertainty of an uploaded picture."""
    return await _of_query(ImageQuery(await upload.image.read()), engine, state, response)


@router.get("/words", responses=examples.answers(examples.WORDS, gallery=True, overload=True))
async def of_words(
    question: Annotated[WordsQuestion, Parameters()],
    engine: GalleryEngine,
    state: ServiceState,
    response: Response,
) -> WordsAnswer:
    """Which words of a text raise or lower its uncertainty, by leaving out each, and more certain texts like it."""
    clock = Clock()
    weighed = await weigh(engine, question.text, clock)
    state.report(clock, response)
    return WordsAnswer.of(weighed, engine)


@router.get("/histogram", responses=examples.answers(examples.HISTOGRAM, gallery=True))
def distribution(question: Annotated[HistogramQuestion, Parameters()], engine: GalleryEngine) -> HistogramAnswer:
    """How sigma is distributed among the gallery's items of a modality."""
    return HistogramAnswer.of(question.modality, engine.histogram(question.modality, question.bins))


async def _of_query(query: Query, engine: Engine, state: State, response: Response) -> QueryAnswer:
    clock = Clock()
    encoded = await engine.encode(query, clock)
    state.report(clock, response)
    state.observe(engine, encoded, ASKS[encoded.modality])
    return QueryAnswer.of(encoded)


def _page(modality: Modality, question: UncertaintyQuestion, engine: Engine) -> ItemList:
    page = Page(question.order is Order.DESCENDING, question.limit, question.offset)
    most = math.inf if question.max_sigma is None else question.max_sigma
    total, found = engine.by_uncertainty(modality, page, Among(question.min_sigma, most, question.filter))
    return ItemList(
        modality=modality,
        order=question.order,
        total=total,
        items=[ItemAnswer.of(each, engine) for each in found],
    )
