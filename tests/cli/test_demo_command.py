"""`penumbra demo --open`: the page opens once the server is ready."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import httpx2
import pytest

from cli import demo
from penumbra_client import Client
from service.settings import Settings


def test_the_page_opens_when_the_server_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gallery is served at the port that was asked for, and the browser is sent there, not before."""
    opened, asked, served = Event(), list[str](), list[Settings]()

    def reach(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(503 if len(asked) < 3 else 200, json={"status": "ready"})

    def browse(url: str) -> None:
        assert len(asked) == 3
        assert url == "http://127.0.0.1:8123"
        opened.set()

    def serve(settings: Settings) -> None:
        served.append(settings)
        assert opened.wait(10)

    monkeypatch.setattr(demo, "_is_current", lambda gallery: True)
    monkeypatch.setattr(demo, "read_audit", lambda gallery: "there")
    monkeypatch.setattr(demo, "serve", serve)
    monkeypatch.setattr(demo, "Client", lambda url: Client(url, transport=httpx2.MockTransport(reach)))
    monkeypatch.setattr(demo.webbrowser, "open", browse)
    demo.command(tmp_path, open_=True, port=8123)
    assert [(each.gallery, each.port) for each in served] == [(tmp_path / "gallery", 8123)]
    assert set(asked) == {"http://127.0.0.1:8123/readyz"}


def test_nothing_is_served_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` and `make serve` only want the gallery made."""
    monkeypatch.setattr(demo, "_is_current", lambda gallery: True)
    monkeypatch.setattr(demo, "read_audit", lambda gallery: "there")
    monkeypatch.setattr(demo, "serve", lambda settings: pytest.fail("it serves"))
    demo.command(tmp_path, open_=False)
