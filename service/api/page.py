"""The page where both searches can be tried, and the routes' documentation; nothing is fetched from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

router = APIRouter(include_in_schema=False)

_WEB: Final = Path(str(files("service.web")))
# Swagger UI as the package fastapi-offline ships it.
_SWAGGER: Final = Path(str(files("fastapi_offline"))) / "static"
_ASSETS: Final = {
    **{name: _WEB / name for name in ("app.js", "style.css", "docs.js")},
    **{name: _SWAGGER / name for name in ("swagger-ui-bundle.js", "swagger-ui.css")},
}
# Swagger UI sets style attributes.
_DOCS_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


@router.get("/")
def page() -> FileResponse:
    """The page."""
    return FileResponse(_WEB / "index.html")


@router.get("/docs")
def docs() -> FileResponse:
    """The documentation of all routes."""
    return FileResponse(_WEB / "docs.html", headers=_DOCS_POLICY)


@router.get("/static/{name}")
def asset(name: str) -> FileResponse:
    """A script or a style sheet of these pages; one that they do not have is 404."""
    if name not in _ASSETS:
        raise HTTPException(404)
    return FileResponse(_ASSETS[name])
