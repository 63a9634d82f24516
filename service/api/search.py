"""Both searches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Form, Response

from index.items import Modality
from models.calibration import Direction
from service.answers import SearchAnswer
from service.api import examples
from service.api.places import PathGallery, chosen
from service.engine import Clock, ImageQuery, ItemQuery, Query, TextQuery
from service.schemas import ImageSearch, SearchFields, TextSearch
from service.state import ServiceState, State

router = APIRouter(prefix="/search", tags=["search"])


@router.post("/text-to-image", responses=examples.answers(examples.TEXT_SEARCH, gallery=True, overload=True))
async def text_to_image(
    search: Annotated[TextSearch, Body(openapi_examples=examples.TEXT_SEARCHES)],
    gallery: PathGallery,
    state: ServiceState,
    response: Response,
) -> SearchAnswer:
    """Find the pictures that a text describes."""
    return await _answer(TextQuery(search.text), search, gallery, state, response)


@router.post("/image-to-text", responses=examples.answers(examples.IMAGE_SEARCH, overload=True, item=True))
async def image_to_text(
    search: Annotated[ImageSearch, Form(media_type="multipart/form-data")],
    gallery: PathGallery,
    state: ServiceState,
    response: Response,
) -> SearchAnswer:
    """Find the texts that describe a picture: an upload, or an image of the gallery."""
    if search.image is not None:
        query: Query = ImageQuery(await search.image.read())
    else:
        query = ItemQuery(str(search.image_id), Modality.IMAGE)
    return await _answer(query, search, gallery, state, response)


async def _answer(
    query: Query, search: SearchFields, gallery: str | None, state: State, response: Response
) -> SearchAnswer:
    options, clock = search.options(state.settings.limits), Clock()
    direction = Direction.TEXT_TO_IMAGE if isinstance(query, TextQuery) else Direction.IMAGE_TO_TEXT
    with state.galleries.lease(chosen(gallery, search.gallery)) as engine:
        answer = await engine.search(query, options, clock)
        state.report(clock, response)
        # A search that leaves out what is less probable says nothing of how probable answers are.
        state.observe(engine, answer.query, direction, None if search.min_match_probability else answer.result)
        return SearchAnswer.of(answer, direction, engine)
