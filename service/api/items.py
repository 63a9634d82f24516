"""The gallery's items. An id may hold anything, a slash too; percent-encode it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from service.answers import ItemAnswer
from service.api import examples
from service.api.places import GalleryEngine

router = APIRouter(prefix="/items", tags=["items"])

Identifier = Annotated[str, Path(description="The item's id, percent-encoded.", examples=["scene-00007"])]
# Short, because an item may be replaced, and a whole gallery too.
_CACHING = "public, max-age=60"


@router.get("/{id:path}/image", response_class=Response, responses=examples.PICTURE)
def picture(id: Identifier, engine: GalleryEngine, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The picture of an image, as a JPEG of 256 pixels at most."""
    if engine.gallery.find(id) is None and engine.gallery.find(f"{id}/image") is not None:
        # The path of the item "a/image" looks like that of the picture of "a" once it is decoded.
        answer = ItemAnswer.of(engine.describe(f"{id}/image"), engine.place.address)
        return Response(answer.model_dump_json(), media_type="application/json")
    jpeg = engine.picture(id)
    headers = {"ETag": f'"{sha256(jpeg).hexdigest()[:32]}"', "Cache-Control": _CACHING}
    if if_none_match is not None and _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get("/{id:path}", responses=examples.answers(examples.ITEM, item=True))
def item(id: Identifier, engine: GalleryEngine) -> ItemAnswer:
    """One item: what it is, and how sure the model is of it."""
    return ItemAnswer.of(engine.describe(id), engine.place.address)


def _matches(candidates: str, etag: str) -> bool:
    """Whether an If-None-Match names this entity (RFC 9110, 13.1.2; weak comparison)."""
    names = [each.strip().removeprefix("W/") for each in candidates.split(",")]
    return "*" in names or etag in names
