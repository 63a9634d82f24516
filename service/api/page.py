"""The page where all of this can be tried, and the routes' documentation; nothing is fetched from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.assets import Asset, read_assets

router = APIRouter(include_in_schema=False)

_WEB: Final = Path(str(files("service.web")))
# Swagger UI as the package fastapi-offline ships it.
_SWAGGER: Final = Path(str(files("fastapi_offline"))) / "static"
# Swagger UI sets style attributes.
_DOCS_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


@router.get("/")
def page(request: Request) -> Response:
    """The page."""
    return _pages()["index.html"].answer(request.headers)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The documentation of all routes."""
    return _pages()["docs.html"].answer(request.headers, _DOCS_POLICY)


@router.get("/static/{name}")
def asset(name: str, request: Request) -> Response:
    """A script, a style sheet or an icon of these pages; one that they do not have is 404."""
    if name not in _static():
        raise HTTPException(404)
    return _static()[name].answer(request.headers)


@cache
def _pages() -> dict[str, Asset]:
    return read_assets(_WEB.glob("*.html"))


@cache
def _static() -> dict[str, Asset]:
    swagger = [_SWAGGER / name for name in ("swagger-ui-bundle.js", "swagger-ui.css")]
    return read_assets([*(_WEB / "static").iterdir(), *swagger])
