"""The page in Chromium, before a server with 80 Scenes and the model that ships."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from opening import WIDE, Open
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from cli.audit import audit_gallery
from cli.demo import SHIPPED_MODEL
from corpus.read import read
from corpus.scenes.generate import write
from index.building.build import build
from models import checkpoint
from service.app import create_app
from service.settings import Settings

# However busy the machine: these tests do not measure time.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 Scenes, three captions each, audited."""
    folder = tmp_path_factory.mktemp("page")
    write(folder / "scenes", 80, 5, side=96, per_image=3)
    build(checkpoint.load(SHIPPED_MODEL), read(folder / "scenes"), folder / "gallery")
    audit_gallery(folder / "gallery", SHIPPED_MODEL)
    return folder / "gallery"


@pytest.fixture(scope="session")
def app(gallery: Path) -> FastAPI:
    """The service."""
    return create_app(Settings(gallery=gallery, threads=1))


@pytest.fixture(scope="session")
def address(app: FastAPI) -> Iterator[str]:
    """Where it listens."""
    with served(app, socket.create_server(("127.0.0.1", 0))) as place:
        yield place


@contextmanager
def served(app: FastAPI, door: socket.socket) -> Iterator[str]:
    """A server in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


# No longer than a module: while it is there an event loop runs in this thread, in which others could not start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; where all checks have to run it must be there."""
    path = shutil.which("chromium")
    if path is None:
        where_all_run = bool(os.environ.get("CI"))
        (pytest.fail if where_all_run else pytest.skip)("needs Chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, address: str) -> Iterator[Open]:
    """Opens the page at a path, as wide as told; at the end it must have said nothing in the console."""
    complaints: list[str] = []
    contexts = []

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def opened(path: str = "/", size: tuple[int, int] = WIDE, quiet: bool = True, **given: object) -> Page:
        options = {"locale": "en-GB", "reduced_motion": "reduce", **given}
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        if quiet:
            page.on("console", complain)
            page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def picture(gallery: Path) -> Path:
    """A picture's file."""
    return min((gallery.parent / "scenes").rglob("*.png"))
