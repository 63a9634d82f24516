"""Two servers over one gallery, as processes of their own: the same bytes, and a calm end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch

from corpus.read import read
from corpus.scenes.generate import write
from index.building.build import build
from models import checkpoint
from models.encoders import Encoder, EncoderConfig
from models.image import Framing
from models.match import MatchHead
from models.text import Vocabulary

PATIENCE = 60.0

Servers = list[tuple[subprocess.Popen[bytes], str]]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty small Scenes under a model with random weights."""
    folder = tmp_path_factory.mktemp("two")
    write(folder / "scenes", 30, 1, side=32, per_image=2)
    corpus = read(folder / "scenes")
    torch.manual_seed(0)
    words = Vocabulary.from_captions([caption for entry in corpus.entries for caption in entry.captions])
    config = EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0))
    checkpoint.save(Encoder(config, words, MatchHead(9.0, 8.0)), folder / "model", {})
    build(checkpoint.load(folder / "model"), corpus, folder / "gallery")
    return folder / "gallery"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def servers(gallery: Path) -> Iterator[Servers]:
    """Two processes that are ready to answer, with one thread and with two, and their addresses."""
    started = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for threads in (1, 2):
        port = free_port()
        command = [
            sys.executable,
            "-c",
            "from cli.main import main; main()",
            "serve",
            str(gallery),
            "--port",
            str(port),
            "--threads",
            str(threads),
        ]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append((process, f"http://127.0.0.1:{port}"))
    try:
        for process, address in started:
            wait_until_ready(process, address)
        yield started
    finally:
        for process, _ in started:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    """Ask until the server says that it is ready; fail when it ends or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            if httpx2.get(f"{address}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the server did not become ready")


def test_two_processes_give_the_same_bytes(servers: Servers, gallery: Path) -> None:
    """The same query with the same seed: text, uploaded picture and gallery picture; another seed differs."""
    picture = next((gallery.parent / "scenes" / "images").iterdir()).read_bytes()

    def answers(address: str, seed: int) -> list[bytes]:
        text = httpx2.post(f"{address}/search/text-to-image", json={"text": "a red star at night", "seed": seed})
        upload = httpx2.post(
            f"{address}/search/image-to-text", files={"image": ("p.png", picture)}, data={"seed": str(seed)}
        )
        asked = httpx2.get(f"{address}/uncertainty", params={"text": "something round"})
        for answer in (text, upload, asked):
            assert answer.status_code == 200, answer.text
        return [text.content, upload.content, asked.content]

    (_, one), (_, other) = servers
    assert answers(one, 0) == answers(other, 0)
    assert answers(one, 0)[0] != answers(one, 1)[0]


def test_a_request_to_terminate_ends_the_server_calmly(servers: Servers) -> None:
    """SIGTERM: it finishes and leaves, without being killed."""
    process, _ = servers[1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) in (0, -signal.SIGTERM)
