"""When a question is asked again, on servers that are played: what they were sent, and how long was waited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from penumbra_client import (
    AsyncClient,
    BadAnswerError,
    Caption,
    Client,
    ConflictError,
    DeadlineError,
    OverloadedError,
    ProblemError,
    Retries,
    ServerFailureError,
    UnreachableError,
)
from penumbra_client.operations import add_captions, info

READY = {"status": "ready"}
BUSY = httpx2.Response(429, headers={"Retry-After": "3"}, json={"title": "Overloaded", "detail": "Later."})
Played = httpx2.Response | Exception


class Server:
    """Answers with what it was given, in turn, and keeps what it was asked."""

    def __init__(self, *answers: Played) -> None:
        self.answers, self.asked = list(answers), list[httpx2.Request]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """What httpx2's MockTransport calls."""
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        # A response can be read once.
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr("penumbra_client.clients.time.sleep", made.append)
    monkeypatch.setattr("penumbra_client.exchange.random.random", lambda: 0.5)
    return made


def played(*answers: Played, **options: Any) -> tuple[Client, Server]:
    server = Server(*answers)
    return Client("http://server", transport=httpx2.MockTransport(server), **options), server


def ready() -> httpx2.Response:
    return httpx2.Response(200, json=READY)


def test_retry_after_is_honoured(pauses: list[float]) -> None:
    """Each pause is as long as the server says, and a little longer, growing and at random."""
    client, server = played(BUSY, httpx2.Response(503), ready())
    assert client.ready().status == "ready"
    assert pauses == [3 + 0.125, 0.25]
    assert len(server.asked) == 3


def test_a_date_is_a_pause_too(pauses: list[float]) -> None:
    """Retry-After may be a date; one that is past, or nothing that can be read, is no pause of its own."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    answers = [httpx2.Response(503, headers={"Retry-After": told}) for told in (later, past, "soon")]
    client, _ = played(*answers, ready())
    client.ready()
    assert 7 < pauses[0] < 9.2
    assert pauses[1:] == [0.25, 0.5]


def test_retries_end(pauses: list[float]) -> None:
    """After so many, or where the pauses would take too long, the error is raised at once."""
    client, server = played(*[httpx2.Response(429)] * 5)
    with pytest.raises(OverloadedError):
        client.ready()
    assert (len(server.asked), len(pauses)) == (5, 4)
    patient, server = played(BUSY, BUSY, BUSY, retries=Retries(most=9, seconds=7))
    with pytest.raises(OverloadedError, match="Later"):
        patient.ready()
    assert len(server.asked) == 3
    impatient, server = played(BUSY, retries=Retries(most=0))
    with pytest.raises(OverloadedError):
        impatient.ready()


CHANGES: list[Callable[[Client], object]] = [
    lambda client: client.add_captions([Caption("a", "b")]),
    lambda client: client.replace_caption("a", "b"),
    lambda client: client.add_image("a", b"x"),
    lambda client: client.replace_image("a", b"x"),
    lambda client: client.remove("a"),
    lambda client: client.reload(),
]
"""Everything that changes something."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("answer", [httpx2.Response(503), httpx2.ReadError("broke"), httpx2.ReadTimeout("slow")])
def test_a_change_is_not_sent_twice(pauses: list[float], change: Callable[[Client], object], answer: Played) -> None:
    """Where the server may have begun it, the error is raised."""
    client, server = played(answer)
    with pytest.raises((OverloadedError, UnreachableError)):
        change(client)
    assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_was_not_begun_is_sent_again(pauses: list[float], change: Callable[[Client], object]) -> None:
    """After a refusal for want of room, a lock of another process, and where nobody was reached; the body is whole."""
    locked = httpx2.Response(409, headers={"Retry-After": "1"}, json={"title": "Gallery locked"})
    client, server = played(BUSY, locked, httpx2.ConnectError("refused"), httpx2.Response(409))
    with pytest.raises(ConflictError):
        change(client)
    assert pauses == [3.125, 1.25, 0.5]
    # Only the boundary between the parts of a form differs.
    assert len({(each.method, each.url, len(each.content)) for each in server.asked}) == 1


def test_what_reads_is_asked_again_when_the_connection_breaks(pauses: list[float]) -> None:
    """Sent or not."""
    client, _ = played(httpx2.ReadError("broke"), httpx2.ConnectError("refused"), ready())
    assert client.ready().status == "ready"


@pytest.mark.parametrize(("status", "kind"), [(500, ServerFailureError), (504, DeadlineError)])
def test_what_would_not_help_is_not_tried(pauses: list[float], status: int, kind: type[ProblemError]) -> None:
    """A bug and a missed deadline are told at once, with the request id."""
    client, server = played(httpx2.Response(status, headers={"X-Request-ID": "r1"}, text="<html>"))
    with pytest.raises(kind, match=f"HTTP status {status}") as caught:
        client.ready()
    assert caught.value.request_id == "r1"
    assert len(server.asked) == 1


def test_asynchronously_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The asynchronous client waits without blocking, as long."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("penumbra_client.clients.asyncio.sleep", sleep)
    monkeypatch.setattr("penumbra_client.exchange.random.random", lambda: 0.5)
    server = Server(BUSY, httpx2.ReadError("broke"), ready())

    async def ask() -> None:
        async with AsyncClient("http://server", transport=httpx2.MockTransport(server)) as client:
            assert (await client.ready()).status == "ready"

    asyncio.run(ask())
    assert made == [3.125, 0.25]


def test_waiting_until_ready(pauses: list[float]) -> None:
    """Asks on while nobody is there or the server warms up, as long as it was told."""
    client, server = played(httpx2.ConnectError("refused"), httpx2.Response(503), ready())
    assert client.wait_until_ready(seconds=1, every=0.5).status == "ready"
    assert pauses == [0.5, 0.5]
    late, server = played(*[httpx2.Response(503)] * 3)
    with pytest.raises(OverloadedError):
        late.wait_until_ready(seconds=1, every=0.5)
    assert len(server.asked) == 3


def test_what_goes_with_every_question() -> None:
    """Key, deadline in whole milliseconds and gallery; none of them without being told."""
    client, server = played(ready(), ready(), httpx2.Response(204), key="k1", gallery="a b/c")
    client.within(0.0004).ready()
    client.within(1.5).within(None).for_gallery("x").ready()
    client.remove("i/1")
    first, second, third = server.asked
    assert (first.headers["Authorization"], first.headers["X-Deadline-Ms"]) == ("Bearer k1", "1")
    assert "X-Deadline-Ms" not in second.headers
    # What is asked of the server has no gallery in its path.
    assert first.url.raw_path == b"/readyz"
    assert third.url.raw_path == b"/galleries/a%20b%2Fc/items/i%2F1"
    bare, server = played(ready())
    bare.ready()
    assert "Authorization" not in server.asked[0].headers


def test_an_address_with_a_path() -> None:
    """A server behind a proxy is found below the proxy's path."""
    server = Server(ready())
    Client("http://proxy/penumbra/", transport=httpx2.MockTransport(server)).ready()
    assert server.asked[0].url.path == "/penumbra/readyz"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_address_without_a_protocol(kind: type[Client] | type[AsyncClient]) -> None:
    """Is told at once."""
    with pytest.raises(UnreachableError, match="'localhost:8000' is no address"):
        kind("localhost:8000")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"status": 1}', b'{"status": true}', b"null"])
def test_what_is_not_penumbra_is_named(body: bytes) -> None:
    """An answer that cannot be read is an error of the client's, not a KeyError somewhere."""
    client, _ = played(httpx2.Response(200, content=body))
    with pytest.raises(BadAnswerError):
        client.ready()


def test_a_newer_server_can_be_read() -> None:
    """Fields that this client does not know are left out; those that have a default may be missing."""
    client, _ = played(httpx2.Response(200, json={**READY, "since": {"new": [1]}}))
    assert client.ready().refused_swaps == {}


def test_calls_are_values() -> None:
    """What will be sent can be looked at without a server."""
    call = add_captions([Caption("a", "b")])
    assert (call.request.method, call.request.path, call.changes) == ("POST", "/items", True)
    assert json.loads(json.dumps(call.request.json)) == {
        "items": [{"id": "a", "text": "b", "image_id": None, "label": None, "meta": {}}]
    }
    assert not info().changes
