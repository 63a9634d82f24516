"""A server in a thread, over a tiny gallery that may be changed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from cli.audit import audit_gallery
from faults.subject import MODEL, build_gallery, write_corpus, write_model
from penumbra_client import Client
from service.app import create_app
from service.settings import Limits, read


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """Serves a gallery of three images with two captions each, under two names; the second is not changed."""
    folder = tmp_path_factory.mktemp("asked")
    write_model(folder / MODEL)
    write_corpus(folder / "corpus", images=3, seed=1)
    build_gallery(folder / MODEL, folder / "corpus", folder / "gallery")
    audit_gallery(folder / "gallery")
    write_corpus(folder / "few", images=1, seed=2)
    build_gallery(folder / MODEL, folder / "few", folder / "second")
    served = {"gallery": folder / "gallery", "galleries": {"second": folder / "second"}, "writable": True}
    return create_app(read(**served, threads=1, limits=Limits(characters=40)))


@pytest.fixture(scope="session")
def url(app: FastAPI) -> Iterator[str]:
    """Where it listens."""
    server, door = uvicorn.Server(uvicorn.Config(app, log_config=None)), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    """Asks it, once it is ready."""
    with Client(url) as client:
        client.wait_until_ready()
        yield client


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture's file."""
    folder = tmp_path_factory.mktemp("pictures") / "one"
    write_corpus(folder, images=1, seed=3)
    return folder / "0.png"
