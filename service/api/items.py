"""The gallery's items. An id may hold anything, a slash too; percent-encode it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from service.answers import ItemAnswer
from service.api import examples
from service.state import ServiceState

router = APIRouter(prefix="/items", tags=["items"])

Identifier = Annotated[str, Path(description="The item's id, percent-encoded.", examples=["scene-00007"])]
# A served gallery's pictures do not change, but another gallery may be served under the same address tomorrow.
_CACHING = "public, max-age=3600"


@router.get("/{id:path}/image", response_class=Response, responses=examples.PICTURE)
def picture(id: Identifier, state: ServiceState, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The picture of an image, as a JPEG of 256 pixels at most."""
    if state.engine.gallery.find(id) is None and state.engine.gallery.find(f"{id}/image") is not None:
        # The path of the item "a/image" looks like that of the picture of "a" once it is decoded.
        answer = ItemAnswer.of(state.engine.describe(f"{id}/image"))
        return Response(answer.model_dump_json(), media_type="application/json")
    jpeg = state.engine.picture(id)
    headers = {"ETag": f'"{sha256(jpeg).hexdigest()[:32]}"', "Cache-Control": _CACHING}
    if if_none_match is not None and _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get("/{id:path}", responses=examples.answers(examples.ITEM, item=True))
def item(id: Identifier, state: ServiceState) -> ItemAnswer:
    """One item: what it is, and how sure the model is of it."""
    return ItemAnswer.of(state.engine.describe(id))


def _matches(candidates: str, etag: str) -> bool:
    """Whether an If-None-Match names this entity (RFC 9110, 13.1.2; weak comparison)."""
    names = [each.strip().removeprefix("W/") for each in candidates.split(",")]
    return "*" in names or etag in names
