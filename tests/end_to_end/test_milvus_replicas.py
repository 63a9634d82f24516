"""Two servers over one collection of Milvus, all three as processes of their own: what each of them can count on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from milvus_server import MilvusServer, free_port, running

from corpus.read import read
from corpus.scenes.generate import write
from index.building.build import build
from index.milvus.address import StoreAddress
from models import checkpoint
from models.encoders import Encoder, EncoderConfig
from models.image import Framing
from models.match import MatchHead
from models.text import Vocabulary

PATIENCE = 90.0
TEXT = "a red star"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus Lite server that may be killed."""
    with running(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def galleries(store: MilvusServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Thirty small Scenes under a model with random weights, on disk and in Milvus."""
    folder = tmp_path_factory.mktemp("replicas")
    write(folder / "scenes", 30, 1, side=32, per_image=2)
    corpus = read(folder / "scenes")
    torch.manual_seed(0)
    words = Vocabulary.from_captions([caption for entry in corpus.entries for caption in entry.captions])
    config = EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0))
    checkpoint.save(Encoder(config, words, MatchHead(1.0, 6.0)), folder / "model", {})
    model = checkpoint.load(folder / "model")
    build(model, corpus, folder / "disk")
    build(model, corpus, folder / "stored", store=StoreAddress.parse(store.address("scenes")))
    return folder / "disk", folder / "stored"


class Replica:
    """A server in a process of its own, ready to answer."""

    def __init__(self, gallery: Path) -> None:
        port = free_port()
        arguments = ["serve", str(gallery), "--writable", "--threads", "1", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "from cli.main import main; main()", *arguments]
        self.process = subprocess.Popen(command, env=environment)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        until(lambda: self.status("/readyz") == 200)

    def status(self, path: str) -> int | None:
        """Of a GET; None where nobody is there."""
        try:
            return self.client.get(path).status_code
        except httpx2.TransportError:
            assert self.process.poll() is None
            return None

    def results(self, **fields: Any) -> Any:
        """What a search finds, and how many matches are expected."""
        answer = self.client.post("/search/text-to-image", json={"text": TEXT, "top_k": 50, "seed": 3, **fields})
        assert answer.status_code == 200, answer.text
        # Addresses of pictures that lie in Milvus have no version.
        hits = [{**hit, "image_url": None} for hit in answer.json()["results"]]
        return hits, answer.json()["expected_matches"]

    def captions(self) -> list[str]:
        """Ids of all captions, as a search ranks them for the first image."""
        answer = self.client.post("/search/image-to-text", data={"image_id": self.results()[0][0]["id"], "top_k": 500})
        assert answer.status_code == 200, answer.text
        return [hit["id"] for hit in answer.json()["results"]]

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.terminate()
        self.process.wait(PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Wait for something."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.1)


@pytest.fixture(scope="module")
def replicas(galleries: tuple[Path, Path]) -> Iterator[tuple[Replica, Replica]]:
    """Two servers of the gallery in Milvus."""
    first, second = Replica(galleries[1]), Replica(galleries[1])
    yield first, second
    first.close()
    second.close()


def test_both_answer_as_a_server_of_the_gallery_on_disk(
    galleries: tuple[Path, Path], replicas: tuple[Replica, Replica]
) -> None:
    """The same query and seed have the same items, probabilities and uncertainties, to the last digit, everywhere, with
    a filter too."""
    with closing(Replica(galleries[0])) as on_disk:
        for fields in ({}, {"rerank": "closed_form"}, {"filter": {"id": {"lt": "scene-000020"}}}):
            expected = on_disk.results(**fields)
            assert expected[0] and 0.1 < expected[0][0]["match_probability"] < 0.99
            assert [each.results(**fields) for each in replicas] == [expected, expected]


def test_a_change_that_one_has_made_the_other_sees(replicas: tuple[Replica, Replica]) -> None:
    """The next search, at either, finds what either was told to add or to put in another's place, and nothing that
    either was told to remove."""
    for one, other in (replicas, replicas[::-1]):
        added = one.client.post("/items", json={"items": [{"id": "new", "text": TEXT}]})
        assert added.status_code == 201
        assert "new" in other.captions()
        assert other.client.get("/items/new").json()["text"] == TEXT
        assert other.client.put("/items/new", json={"text": "a blue ring"}).status_code == 200
        assert one.client.get("/items/new").json()["text"] == "a blue ring"
        assert other.client.post("/items", json={"items": [{"id": "new", "text": TEXT}]}).status_code == 409
        assert other.client.delete("/items/new").status_code == 204
        assert "new" not in one.captions()
        assert one.status("/items/new") == 404


def refused(replica: Replica) -> str:
    """Why a search is refused now."""
    answer = replica.client.post("/search/text-to-image", json={"text": TEXT})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "urn:penumbra:problem:store-unavailable"
    return str(answer.json()["detail"])


def test_without_milvus_they_say_so_and_come_back(store: MilvusServer, replicas: tuple[Replica, Replica]) -> None:
    """While Milvus is dead, every question about the gallery is answered with 503 and why, and so is /readyz; the
    servers live on, and when Milvus is back they answer as before, with the changes that were acknowledged."""
    added = replicas[0].client.post("/items", json={"items": [{"id": "kept", "text": TEXT}]})
    assert added.status_code == 201
    before = replicas[0].results()
    store.kill()
    for each in replicas:
        assert f"The store {store.address('scenes')} cannot answer now (" in refused(each)
        assert [each.status(path) for path in ("/readyz", "/items/kept", "/uncertainty?modality=text")] == [503] * 3
        assert each.client.delete("/items/kept").status_code == 503
        assert [each.status(path) for path in ("/healthz", "/metrics")] == [200, 200]
    store.start()
    until(lambda: {each.status("/readyz") for each in replicas} == {200})
    assert [each.results() for each in replicas] == [before, before]
    assert [each.status("/items/kept") for each in replicas] == [200, 200]


def test_nobody_waits_for_a_milvus_that_hangs(store: MilvusServer, replicas: tuple[Replica, Replica]) -> None:
    """One that takes questions and answers none is given up, and answers again when it goes on."""
    before = replicas[0].results()
    store.stop()
    assert "cannot answer now (" in refused(replicas[0])
    assert replicas[0].status("/readyz") == 503
    store.go_on()
    until(lambda: replicas[0].status("/readyz") == 200)
    assert replicas[0].results() == before
