"""What the model looks at: in a text, in an upload, in the gallery's items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi import Query as Parameters

from service.api import examples
from service.api.places import GalleryEngine
from service.attention import attend
from service.engine import Clock, Engine, ImageQuery, ItemQuery, Query, TextQuery
from service.exploring_answers import AttentionAnswer
from service.exploring_schemas import AttentionQuestion
from service.schemas import ImageUpload
from service.state import ServiceState, State

router = APIRouter(prefix="/attention", tags=["attention"])


@router.get("", responses=examples.answers(examples.TEXT_ATTENTION, overload=True, item=True))
async def of_text_or_item(
    question: Annotated[AttentionQuestion, Parameters()],
    engine: GalleryEngine,
    state: ServiceState,
    response: Response,
) -> AttentionAnswer:
    """What the mean branch and the variance branch look at in a text or in an item of the gallery.

    An item's picture is the one that the gallery keeps, 256 pixels at most: not the file that it was made from.
    """
    query: Query = TextQuery(question.text or "") if question.id is None else ItemQuery(question.id)
    return await _of_query(query, engine, state, response)


@router.post("", responses=examples.answers(examples.IMAGE_ATTENTION, gallery=True, overload=True))
async def of_image(
    upload: Annotated[ImageUpload, Form(media_type="multipart/form-data")],
    engine: GalleryEngine,
    state: ServiceState,
    response: Response,
) -> AttentionAnswer:
    """What the mean branch and the variance branch look at in an uploaded picture."""
    return await _of_query(ImageQuery(await upload.image.read()), engine, state, response)


async def _of_query(query: Query, engine: Engine, state: State, response: Response) -> AttentionAnswer:
    clock = Clock()
    attended = await attend(engine, query, clock)
    state.report(clock, response)
    return AttentionAnswer.of(attended)
