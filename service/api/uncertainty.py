"""How sure the model is: of a text, of an upload, of the gallery's items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi import Query as Parameters
from starlette.concurrency import run_in_threadpool

from index.items import Modality
from service.answers import ItemAnswer, ItemList, QueryAnswer
from service.api import examples
from service.engine import ASKS, Clock, ImageQuery, Query, TextQuery
from service.schemas import ImageUpload, Order, UncertaintyQuestion, check_limit
from service.state import ServiceState, State

router = APIRouter(prefix="/uncertainty", tags=["uncertainty"])


@router.get("", responses=examples.answers(examples.UNCERTAINTY, overload=True, item=True))
async def of_text_or_items(
    question: Annotated[UncertaintyQuestion, Parameters()], state: ServiceState, response: Response
) -> QueryAnswer | ItemAnswer | ItemList:
    """The uncertainty of a text, of an item, or the gallery's items by uncertainty: exactly one of the three."""
    if question.modality is not None:
        check_limit("limit", question.limit, state.settings.limits.top_k)
        return await run_in_threadpool(_page, question.modality, question, state)
    if question.id is not None:
        return ItemAnswer.of(await run_in_threadpool(state.engine.describe, question.id))
    return await _of_query(TextQuery(question.text or ""), state, response)


@router.post("", responses=examples.answers(examples.IMAGE_UNCERTAINTY, overload=True))
async def of_image(
    upload: Annotated[ImageUpload, Form(media_type="multipart/form-data")],
    state: ServiceState,
    response: Response,
) -> QueryAnswer:
    """The uncertainty of an uploaded picture."""
    return await _of_query(ImageQuery(await upload.image.read()), state, response)


async def _of_query(query: Query, state: State, response: Response) -> QueryAnswer:
    clock = Clock()
    encoded = await state.engine.encode(query, clock)
    state.report(clock, response)
    state.observe(encoded, ASKS[encoded.modality])
    return QueryAnswer.of(encoded)


def _page(modality: Modality, question: UncertaintyQuestion, state: State) -> ItemList:
    descending = question.order is Order.DESCENDING
    found = state.engine.by_uncertainty(modality, descending=descending, limit=question.limit, offset=question.offset)
    return ItemList(
        modality=modality,
        order=question.order,
        total=state.engine.gallery.count(modality),
        items=[ItemAnswer.of(each) for each in found],
    )
