"""Items that come, are replaced and go while the gallery is searched; answered when that is on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from json import JSONDecodeError
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from index.changes.change import Addition
from service.answers import ChangeAnswer, Fingerprints, ItemAnswer
from service.api import examples
from service.api.items import Identifier
from service.api.places import GalleryEngine, PathGallery, chosen
from service.change_schemas import Caption, Image, NewCaptions, NewImage
from service.changing import describe, encode, make
from service.engine import Engine
from service.errors import UnsupportedBodyError
from service.state import ServiceState

router = APIRouter(prefix="/items", tags=["items"])
Body = TypeVar("Body", bound=BaseModel)
Json = TypeVar("Json", bound=BaseModel)
Form = TypeVar("Form", bound=BaseModel)


@router.post(
    "",
    status_code=201,
    responses=examples.changes(201, examples.ADDED),
    openapi_extra=examples.body(NewCaptions, examples.NEW_CAPTIONS, NewImage),
)
async def add(request: Request, gallery: PathGallery, state: ServiceState, response: Response) -> ChangeAnswer:
    """Add captions (JSON) or an image with captions (a form), all or none; the next search finds them."""
    limits = state.settings.limits
    async with _read(request, NewCaptions, NewImage) as body:
        new = body.new(limits) if isinstance(body, NewCaptions) else await body.named(body.id, limits)
    with state.galleries.lease(chosen(gallery, body.gallery)) as engine:
        additions = await encode(engine, new)
        await make(engine, lambda living: living.add(additions), state.settings)
        first = quote(additions[0].item.id, safe="")
        response.headers["Location"] = f"{engine.place.address}/items/{first}"
        return _answer(engine, additions)


@router.put(
    "/{id:path}",
    responses=examples.changes(200, examples.ADDED, item=True),
    openapi_extra=examples.body(Caption, examples.CAPTION, Image),
)
async def replace(id: Identifier, request: Request, engine: GalleryEngine, state: ServiceState) -> ChangeAnswer:
    """Put a caption (JSON) or an image (a form) in the place of the one of this id.

    An image keeps its captions, unless captions come with it: then these are all it has.
    """
    async with _read(request, Caption, Image) as body:
        new = body.named(id) if isinstance(body, Caption) else await body.named(id, state.settings.limits)
    additions = await encode(engine, new)
    await make(engine, lambda living: living.replace(additions), state.settings)
    return _answer(engine, additions)


@router.delete("/{id:path}", status_code=204, responses=examples.changes(204, None, item=True))
async def remove(id: Identifier, engine: GalleryEngine, state: ServiceState) -> None:
    """Remove an item; an image takes its captions with it."""
    await make(engine, lambda living: living.remove([id]), state.settings)


def _answer(engine: Engine, additions: Sequence[Addition]) -> ChangeAnswer:
    items = [ItemAnswer.of(each, engine) for each in describe(engine, additions)]
    return ChangeAnswer(items=items, fingerprints=Fingerprints.of(engine))


@asynccontextmanager
async def _read(request: Request, as_json: type[Json], as_form: type[Form]) -> AsyncIterator[Json | Form]:
    """The body, by its Content-Type; its files are open until the block ends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield _validated(as_json, await _json(request))
    elif kind == "multipart/form-data":
        async with request.form(max_files=1) as form:
            given = {name: form.getlist(name) for name in form}
            yield _validated(as_form, {name: all if name == "captions" else all[-1] for name, all in given.items()})
    else:
        raise UnsupportedBodyError(
            "Send captions as application/json, or an image as multipart/form-data; the header Content-Type says which."
        )


async def _json(request: Request) -> Any:
    """Raises what FastAPI raises for a body that is no JSON."""
    try:
        return await request.json()
    except JSONDecodeError as error:
        wrong = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([wrong]) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error


def _validated(kind: type[Body], values: Any) -> Body:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error
