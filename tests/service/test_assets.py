"""The files of the page, as they are sent."""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

STATIC = Path(str(files("service.web"))) / "static"
PATHS = ["/", "/docs", "/static/main.js", "/static/style.css", "/static/icon.svg", "/static/swagger-ui-bundle.js"]


def test_every_file_is_sent_as_it_is(client: TestClient) -> None:
    """Each script, style sheet and icon: its bytes and a type that a browser takes it for."""
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in STATIC.iterdir():
        answer = client.get(f"/static/{path.name}")
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"].partition(";")[0] == types[path.suffix]


@pytest.mark.parametrize("path", PATHS)
def test_who_takes_gzip_gets_it(client: TestClient, path: str) -> None:
    """Compressed only where the client says that it reads it, and the same bytes in the end."""
    with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed) == plain.content
    assert len(packed) < len(plain.content)
    assert "Accept-Encoding" in plain.headers["vary"]


@pytest.mark.parametrize("path", PATHS)
def test_what_a_browser_has_is_not_sent_again(client: TestClient, path: str) -> None:
    """It has to ask each time; 304 without a body while the file is the same, the file when it has another."""
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_nothing_else_of_the_package_is_sent(client: TestClient) -> None:
    """Pages and Python files are no static files."""
    for name in ("__init__.py", "index.html", "..%2F__init__.py", ""):
        assert client.get(f"/static/{name}").status_code == 404
