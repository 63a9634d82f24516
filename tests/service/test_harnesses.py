"""The harnesses of load and fuzz: a fixed number of what `make load` and `make fuzz` do, and what they count."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import httpx2
import pytest
import schemathesis
from conftest import noise_png
from fastapi.testclient import TestClient
from test_strangers import running
from uvicorn import Config

from fuzz import pictures, texts
from fuzz.__main__ import _good
from fuzz.asking import Borne, send_pictures, send_texts
from fuzz.contract import send_requests
from load.client import Seen, at_rate, in_turn
from load.measures import Overload, Soak, refused, tail
from load.requests import text_search, upload, whole
from load.server import Taken
from service.app import create_app
from service.settings import Limits, Settings


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[int]:
    """The port of a server with default limits."""
    app = create_app(settings.model_copy(update={"limits": Limits()}))
    with running(Config(app, log_config=None)) as (_, port):
        yield port


def test_requests_from_the_document(settings: Settings) -> None:
    """Whatever the OpenAPI document allows, and some of what it does not, is answered below 500."""
    app = create_app(settings)
    with TestClient(app):
        borne = send_requests(schemathesis.openapi.from_asgi("/openapi.json", app), cases=8)
    assert borne.failed == []
    assert borne.tried >= 40


def test_pictures_of_all_sorts(client: TestClient) -> None:
    """Bombs, lies, other formats and mutated files are answered below 500; what says to be vast is refused."""
    borne = send_pictures(client, islice(pictures.pictures(3), 110))  # type: ignore[arg-type]
    assert (borne.tried, borne.failed) == (110, [])
    assert set(borne.statuses) <= {200, 413, 422}


def test_no_other_format_is_taken(client: TestClient) -> None:
    """None of the formats that Pillow writes beside those on the list is taken, and nothing that says to be vast."""
    chosen = [each for each in pictures.fixed() if each[0].startswith("format") or "vast" in each[0]]
    assert len(chosen) > 15
    for name, data in chosen:
        answer = client.post("/search/image-to-text", files={"image": data})
        assert answer.status_code in (413, 422), name


def test_texts_of_all_sorts(client: TestClient) -> None:
    """Any characters, megabytes, depth and vast numbers are answered below 500."""
    borne = send_texts(client, islice(texts.bodies(3), 80))  # type: ignore[arg-type]
    assert (borne.tried, borne.failed) == (80, [])
    assert set(borne.statuses) <= {200, 400, 413, 422}


def test_what_fails_is_counted() -> None:
    """A 500 and a connection that ends are failures under the input's name; a refusal is none."""
    borne = Borne()

    def hang() -> int:
        raise httpx2.ReadTimeout("late")

    borne.add("good", lambda: 422)
    borne.add("bad", lambda: 500)
    borne.add("hung", hang)
    assert borne.failed == ["bad: 500", "hung: ReadTimeout"]
    assert (borne.tried, dict(borne.statuses)) == (3, {422: 1, 500: 1})


def test_clients_count_what_they_see(served: int) -> None:
    """So many requests, each answered and counted under its status; those at a rate come at about that rate."""
    asked = [
        text_search("a red star"),
        text_search(""),
        whole("GET", "/items/nobody"),
        upload("/search/image-to-text", noise_png(0)),
    ]
    seen = asyncio.run(in_turn(served, asked, 3, 40))
    assert seen.statuses == {200: 20, 422: 10, 404: 10}
    assert (len(seen.accepted), seen.broken, seen.unsent) == (20, 0, 0)
    seen = asyncio.run(at_rate(served, [whole("GET", "/healthz")], 200, 0.5))
    assert (seen.statuses, seen.broken) == ({200: 100}, 0)
    assert seen.seconds >= 0.4


@contextmanager
def saying(*answers: bytes, after: float = 0.0) -> Iterator[int]:
    """A server that gives each connection the next of these answers to its first request, and hangs up; its port."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            for answer in answers:
                connection, _ = door.accept()
                with connection:
                    connection.recv(1 << 16)
                    time.sleep(after)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(door.getsockname()[1])
        thread.join()


def test_what_clients_count_of_refusals() -> None:
    """A 429 without Retry-After is told from one with it, and a connection that ends without an answer is counted."""
    refusal = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n"
    with saying(refusal + b"Retry-After: 1\r\n\r\n", refusal + b"\r\n", b"", b"HTTP/1.1 200 OK\r\n") as port:
        seen = asyncio.run(in_turn(port, [whole("GET", "/")], 1, 4))
    assert (seen.statuses, seen.later, seen.broken, seen.accepted) == ({429: 2}, 1, 2, [])


def test_latency_is_from_when_it_was_due() -> None:
    """An answer that takes its time counts with all of it."""
    ok = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with saying(ok, ok, after=0.05) as port:
        seen = asyncio.run(in_turn(port, [whole("GET", "/")], 1, 2))
    assert len(seen.accepted) == 2 and min(seen.accepted) >= 50


def test_what_cannot_be_sent_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for which there is no connection is not sent, and is not forgotten."""
    monkeypatch.setattr("load.client.MOST_CONNECTIONS", 0)
    seen = asyncio.run(at_rate(1, [whole("GET", "/")], 1000, 0.01))
    assert (seen.unsent, seen.statuses, seen.broken) == (10, {}, 0)


def test_a_fuzz_is_judged() -> None:
    """It is not good where an input failed in any round, the server has ended, or it grew after the first round."""
    borne, failed = Borne(tried=1), Borne(tried=1, failed=["bad: 500"])
    small, large = Taken(500.0, 20, 8), Taken(551.0, 20, 8)
    good = [({"texts": borne}, small), ({"texts": borne}, Taken(549.0, 20, 8))]
    assert _good(good, alive=True)
    assert not _good(good, alive=False)
    assert not _good([({"texts": failed}, small), good[1]], alive=True)
    assert not _good([({"texts": borne}, small), ({"texts": borne}, large)], alive=True)


def test_an_overload_is_refused(settings: Settings) -> None:
    """Far more than there is room for: every request is answered, with 200 or with 429 and Retry-After."""
    limits = Limits(queue=1)
    app = create_app(settings.model_copy(update={"limits": limits}))
    with running(Config(app, log_config=None)) as (_, port):
        seen = asyncio.run(at_rate(port, [text_search("a red star", samples=64)], 600, 1))
    assert set(seen.statuses) == {200, 429} and sum(seen.statuses.values()) + seen.unsent == 600
    assert (seen.later, seen.broken) == (seen.statuses[429], 0)


def test_figures_are_judged() -> None:
    """Each figure that is not as it should be makes the whole not good; those of a good run do not."""
    alone = Seen(1.0, [10.0] * 100, {200: 100})
    much = Seen(1.0, [20.0] * 100, {200: 100, 429: 900}, later=900)
    before = Taken(500.0, 20, 8)
    good = Overload(100.0, 10.0, alone, much, alone, before, 510.0)
    assert good.good and good.slower == 2.0 and refused(much) == 0.9 and tail(much) == 20.0
    slow = Seen(1.0, [40.0] * 100, {200: 100, 429: 900}, later=900)
    unsaid = Seen(1.0, [20.0] * 100, {200: 100, 429: 900}, later=899)
    broken = Seen(1.0, [20.0] * 100, {200: 100, 500: 1})
    lost = Seen(1.0, [20.0] * 100, {200: 100}, broken=1)
    for bad in (slow, unsaid, broken, lost):
        assert not Overload(100.0, 10.0, alone, bad, alone, before, 510.0).good
    assert not Overload(100.0, 10.0, alone, much, alone, before, 560.0).good
    assert not Overload(100.0, 10.0, alone, much, much, before, 510.0).good
    assert Soak(alone, (before, Taken(505.0, 21, 8))).good
    for grown in (Taken(511.0, 20, 8), Taken(500.0, 40, 8), Taken(500.0, 20, 9)):
        assert not Soak(alone, (before, grown)).good
