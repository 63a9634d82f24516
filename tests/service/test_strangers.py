"""What strangers cost: heads, slow bodies, connections that say nothing, deadlines, queues that stay full."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from select import select
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message
from test_service_load import busy, limited, until

from index.items import Modality
from service.app import create_app, door_of
from service.connections import Door, _Together, connection, is_whole_query
from service.patience import Patience
from service.settings import Limits, Settings

FORM = "multipart/form-data; boundary=b"


@contextmanager
def listening(limits: Limits, door: Door | None = None) -> Iterator[int]:
    """A server with a socket that answers every request with its body's length; gives its port."""

    async def measure(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"%8d" % size})

    config = uvicorn.Config(
        Patience(measure, limits.body_seconds),
        http=connection(limits, door or Door(lambda: False, lambda: None)),
        lifespan="off",
        log_config=None,
        timeout_keep_alive=60,
    )
    with running(config) as (_, port):
        yield port


@contextmanager
def running(config: uvicorn.Config) -> Iterator[tuple[uvicorn.Server, int]]:
    """A server in a thread, and its port; told to stop at the end, and waited for."""
    server, door = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    until(lambda: server.started)
    try:
        yield server, door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def until_closed(client: socket.socket) -> bytes:
    """What the server says until it hangs up."""
    client.settimeout(10)
    said = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(1 << 16):
            said += piece
    return said


@pytest.mark.parametrize("sent", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\nX-A: "])
def test_a_head_that_does_not_come(sent: bytes) -> None:
    """A connection that says nothing, or half a head, is closed after the time that the setting gives it."""
    with listening(Limits(head_seconds=0.2)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        assert until_closed(client) == b""


def test_a_second_head_that_does_not_come() -> None:
    """The same holds for the next request of a connection, and one that is whole is answered before."""
    with listening(Limits(head_seconds=0.2)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP")
        said = until_closed(client)
        assert said.count(b"200 OK") == 1


def test_a_body_that_does_not_come() -> None:
    """Half a body is 408 after the time that the setting gives it, and the connection is closed."""
    with listening(Limits(body_seconds=0.2)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        said = until_closed(client)
        assert said.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in said and b"0.2 seconds" in said


def test_a_body_that_comes_for_ever() -> None:
    """The time is that of the whole body: pieces that come without a pause do not make it longer."""
    with listening(Limits(body_seconds=0.3)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        sent = 0
        while sent < 100 and not select([client], [], [], 0.02)[0]:
            client.sendall(b"a")
            sent += 1
        assert sent < 100
        assert until_closed(client).startswith(b"HTTP/1.1 408")


def test_a_body_that_does_not_come_to_the_application(settings: Settings) -> None:
    """The same with all that stands between: it is 408 whatever reads the body, and that is all the answer."""
    app = create_app(limited(settings, body_seconds=0.2))
    with running(uvicorn.Config(app, log_config=None)) as (_, port):
        for path, kind in (
            ("search/text-to-image", "application/json"),
            ("search/image-to-text", FORM),
            ("items", FORM),
        ):
            with socket.create_connection(("127.0.0.1", port)) as client:
                head = f"POST /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 99\r\n\r\n"
                client.sendall(head.encode() + b"--b")
                said = until_closed(client)
                assert said.startswith(b"HTTP/1.1 408") and said.count(b"HTTP/1.1") == 1


def test_what_is_made_of_half_a_body_is_not_sent() -> None:
    """An application that answers though its body never ended is not heard: the answer is 408 alone."""
    sent: list[Message] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        with suppress(Exception):
            await receive()
        await send({"type": "http.response.start", "status": 400, "headers": []})

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(Patience(answer, 0.05)({"type": "http"}, receive, send), 10))
    assert [each["status"] for each in sent if "status" in each] == [408]


def test_a_slow_body_that_comes_in_time() -> None:
    """A body in pieces with pauses is taken whole."""
    with listening(Limits()) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n")
        for _ in range(5):
            client.sendall(b"ab")
            time.sleep(0.02)
        assert until_closed(client).endswith(b"      10")


def test_a_head_without_end() -> None:
    """One that goes on beyond the bytes allowed is 431, and the connection is closed."""
    with listening(Limits(header_bytes=2_000)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        sent = 0
        while sent < 1_000 and not select([client], [], [], 0.005)[0]:
            client.sendall(b"x-a: " + b"a" * 95 + b"\r\n")
            sent += 1
        assert 19 < sent < 1_000
        said = until_closed(client)
    assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"application/problem+json" in said and b"2,000 bytes" in said


def test_the_next_head_may_come_with_a_large_body() -> None:
    """The bytes of a request that stand before it in one read are not those of a head."""
    with listening(Limits(header_bytes=2_000)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(asking("/", b"a" * 50_000) + b"GET / HTTP/1.1\r\nHo")
        time.sleep(0.1)
        client.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        said = until_closed(client)
    assert said.count(b"200 OK") == 2 and b"50000" in said


def test_requests_that_come_at_once_are_answered_in_order() -> None:
    """Sixteen may be sent before the first is answered; a connection that sends many more is closed with 400."""
    with listening(Limits()) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            last = asking("/", more="Connection: close\r\n")
            client.sendall(b"".join(asking("/", b"a" * n) for n in range(16)) + last)
            said = until_closed(client)
        assert [int(each) for each in re.findall(rb"\r\n\r\n([ \d]{8})", said)] == [*range(16), len(ASKED)]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(asking("/") * 100)
            said = until_closed(client)
        assert b"HTTP/1.1 400" in said and said.count(b"200 OK") <= 17


def test_a_refused_body_is_not_read() -> None:
    """What is answered before its body has come ends the connection, so that nobody sends the rest for nothing."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    made = connection(Limits(head_seconds=60), Door(lambda: False, lambda: None))
    config = uvicorn.Config(refuse, http=made, lifespan="off", log_config=None, timeout_keep_alive=60)
    with running(config) as (_, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(asking("/", b"half", length=1_000))
        assert until_closed(client).startswith(b"HTTP/1.1 413")


@contextmanager
def answering(pieces: Callable[[Any], Awaitable[None]]) -> Iterator[socket.socket]:
    """A client that has asked a server which sends the head of 200,000 bytes, and then what `pieces` sends."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"200000")]})
        await pieces(send)

    made = connection(Limits(), Door(lambda: False, lambda: None))
    config = uvicorn.Config(answer, http=made, lifespan="off", log_config=None)
    with running(config) as (_, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        yield client


def test_a_head_does_not_wait_for_its_body() -> None:
    """Sent together where they are there together, they go apart where the body takes its time."""
    there = threading.Event()

    async def late(send: Any) -> None:
        await asyncio.to_thread(there.wait, 10)
        await send({"type": "http.response.body", "body": b"a" * 200_000})

    with answering(late) as client:
        client.settimeout(10)
        assert client.recv(1 << 16).endswith(b"\r\n\r\n")
        there.set()
        assert until_closed(client) == b"a" * 200_000


def test_a_body_in_pieces_arrives_whole() -> None:
    """Small pieces, a large one and small ones again come in their order."""
    body = [b"a" * 10, b"b" * 99_990, b"c" * 40_000, b"d" * 40_000, b"e" * 20_000]

    async def pieces(send: Any) -> None:
        for place, piece in enumerate(body):
            await send({"type": "http.response.body", "body": piece, "more_body": place < len(body) - 1})

    with answering(pieces) as client:
        said = until_closed(client)
    assert said.partition(b"\r\n\r\n")[2] == b"".join(body)


def test_head_and_body_go_as_one() -> None:
    """What is written before an answer is whole is given to the transport once, when it is, and before anything else
    has its turn.
    """
    written: list[bytes] = []

    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            written.append(bytes(data))

    async def write() -> None:
        together = _Together(Transport(), asyncio.get_running_loop())
        together.write(b"head ")
        together.write(b"body")
        assert not written
        together.send()
        assert written == [b"head body"]
        together.write(b"alone")
        await asyncio.sleep(0)
        assert written == [b"head body", b"alone"]
        await asyncio.sleep(0)
        assert len(written) == 2
        together.write(b"a" * 100_000)
        assert len(written) == 3

    asyncio.run(write())


def test_an_answer_does_not_wait_for_what_is_done_after_it() -> None:
    """It has been given to the transport by the time that the application goes on, to its log for example."""
    unsent: list[bytes] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})
        [one] = servers[0].server_state.connections
        unsent.extend(one._together._pieces)  # type: ignore[union-attr]

    made = connection(Limits(), Door(lambda: False, lambda: None))
    servers: list[uvicorn.Server] = []
    with running(uvicorn.Config(answer, http=made, lifespan="off", log_config=None)) as (server, port):
        servers.append(server)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(10)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1 << 16).endswith(b"body")
    assert unsent == []


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nabcde",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request(data: bytes) -> None:
    """Bytes that two readers could take for different requests, or for none, are 400, and the connection is closed."""
    with listening(Limits(head_seconds=5)) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(data)
        assert until_closed(client).startswith(b"HTTP/1.1 400")


ASKED = b'{"text": "a"}'


def asking(path: str = "/search", body: bytes = ASKED, length: int | None = None, more: str = "") -> bytes:
    """A request for a search, as a client sends it."""
    size = len(body) if length is None else length
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {size}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (asking(), True),
        (asking("/galleries/birds/search/text-to-image?x=1"), True),
        (b"GET /uncertainty?text=a HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (asking(length=99), False),
        (asking() + b"POST", False),
        (asking("/items"), False),
        (b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (asking(more="Expect: 100-continue\r\n"), False),
        (asking(more="connection : close\r\n"), False),
        (b"POST /search HTTP/1.0\r\n\r\n", False),
        (b"POST /search HTTP/1.1\r\nHost: a\r\n", False),
        (b"\r\n\r\n", False),
    ],
)
def test_what_is_turned_away_unread(data: bytes, whole: bool) -> None:
    """Whole queries that ask for nothing else of the connection; all other bytes are left to the parser."""
    assert is_whole_query(data) is whole


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(data: bytes) -> None:
    """Whatever comes, the door has an answer; what only begins like a query is none."""
    assert is_whole_query(data) in (True, False)
    assert not is_whole_query(asking(length=len(ASKED) + 1 + len(data)) + data)


def test_queries_are_turned_away_at_the_door() -> None:
    """While the server is full a whole query gets a 429 with Retry-After, as often as it comes, on a connection that is
    kept; half of one, and what is no query, goes the usual way; and with room again everything does.
    """
    full, refused = threading.Event(), []
    with (
        listening(Limits(), Door(full.is_set, lambda: refused.append(1))) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):

        def answer(*pieces: bytes) -> bytes:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.05)
            return client.recv(1 << 16)

        assert answer(asking()).startswith(b"HTTP/1.1 200")
        full.set()
        for _ in range(2):
            said = answer(asking())
            assert said.startswith(b"HTTP/1.1 429") and b"retry-after: 1" in said.lower()
            assert b"application/problem+json" in said
        assert answer(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert answer(asking()[:20], asking()[20:]).startswith(b"HTTP/1.1 200")
        # What looks like a whole query, and is the rest of a head.
        assert answer(b"GET / HTTP/1.1\r\nX-A: ", asking()).startswith(b"HTTP/1.1 200")
        full.clear()
        assert answer(asking()).startswith(b"HTTP/1.1 200")
    assert len(refused) == 2


def test_who_is_turned_away_is_counted(settings: Settings) -> None:
    """In the metrics, and for how many places there should be."""
    app = create_app(settings)
    with TestClient(app) as client:
        door_of(app.state.service).refused()
        assert (
            'penumbra_requests_total{method="ANY",route="turned away",status="429"} 1.0' in client.get("/metrics").text
        )
        assert app.state.service.engine.admission.refused > 0


def test_connections_have_a_limit() -> None:
    """One more than the limit is 429 with Retry-After at once, and when one is closed there is room again."""
    with listening(Limits(connections=3)) as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for one in held:
            one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", port)) as refused:
            said = until_closed(refused)
        assert said.startswith(b"HTTP/1.1 429") and b"Retry-After: 1" in said
        for one in held:
            one.close()

        def answered() -> bool:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return until_closed(client).startswith(b"HTTP/1.1 200")

        until(answered)


def test_an_answer_that_is_not_taken() -> None:
    """A piece of an answer that nobody takes is waited for no longer than the setting says."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def never(message: Message) -> None:
        await asyncio.sleep(60)

    async def receive() -> Message:
        return {"type": "http.request"}

    asyncio.run(asyncio.wait_for(Patience(answer, 0.05)({"type": "http"}, receive, never), 10))


def test_an_answer_may_take_longer_than_a_body() -> None:
    """Once the body is whole its time is over: who then looks out for the end of the connection cuts nothing off."""
    sent: list[Message] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        lookout = asyncio.create_task(receive())
        await asyncio.sleep(0.2)
        assert not lookout.done()
        lookout.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    body = iter([{"type": "http.request"}])

    async def receive() -> Message:
        if (message := next(body, None)) is None:
            await asyncio.sleep(60)
        return message or {"type": "http.disconnect"}

    asyncio.run(asyncio.wait_for(Patience(answer, 0.05)({"type": "http"}, receive, send), 10))
    assert [each["status"] for each in sent] == [200]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/info", {}, 200),
        ("/info", {f"x-{n}": "" for n in range(101)}, 431),
        ("/info", {"x-long": "a" * 16_385}, 431),
        ("/items/" + "a" * 16_385, {}, 431),
        ("/items/a?" + "a" * 16_385, {}, 431),
    ],
)
def test_heads_have_a_limit(client: TestClient, path: str, headers: dict[str, str], status: int) -> None:
    """More headers than allowed, or more bytes in path, query and headers, is 431."""
    response = client.get(path, headers=headers)
    assert response.status_code == status
    assert status == 200 or "allowed" in response.json()["detail"]


def test_requests_have_a_limit(settings: Settings) -> None:
    """Every route but the probes is 429 with Retry-After while as many requests as allowed are in the server."""
    app = create_app(limited(settings, requests=1))
    with TestClient(app) as client, ThreadPoolExecutor(1) as threads:
        until(lambda: app.state.service.ready)
        with busy(app.state.service.engine):
            waiting = threads.submit(client.get, "/uncertainty", params={"text": "a"})
            until(lambda: app.state.service.engine.admission.count == 1)
            for path in ("/info", "/items/plain", "/items/plain/image", "/uncertainty?id=plain", "/"):
                refused = client.get(path)
                assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1"), path
            assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert waiting.result().status_code == 200
        assert client.get("/info").status_code == 200


def test_a_full_server_reads_no_body(settings: Settings) -> None:
    """A query that finds no room is refused before its body is looked at, however wrong that is."""
    app = create_app(limited(settings, queue=1))
    with TestClient(app) as client, ThreadPoolExecutor(1) as threads:
        until(lambda: app.state.service.ready)
        with busy(app.state.service.engine):
            waiting = threads.submit(client.get, "/uncertainty", params={"text": "a"})
            until(lambda: app.state.service.engine.admission.count == 1)
            assert client.post("/search/text-to-image", content=b"no JSON").status_code == 429
            assert app.state.service.engine.admission.refused > 0
        assert waiting.result().status_code == 200


def test_a_deadline_of_ones_own(settings: Settings) -> None:
    """A query that is late by its own header is 504, is not encoded afterwards, and leaves its place to the next."""
    app = create_app(settings)
    engine = app.state.service.engine
    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        with busy(engine):
            for method, url, body in (
                ("POST", "/search/text-to-image", {"json": {"text": "a"}}),
                ("GET", "/uncertainty", {"params": {"text": "a"}}),
            ):
                late = client.request(method, url, headers={"X-Deadline-Ms": "80"}, **body)  # type: ignore[arg-type]
                assert (late.status_code, late.headers["content-type"]) == (504, "application/problem+json")
                assert "0.08 seconds" in late.json()["detail"]
            assert engine.admission.count == 0
            assert engine.worker._lanes[Modality.TEXT].take() == []
        in_time = client.post("/search/text-to-image", json={"text": "a"}, headers={"X-Deadline-Ms": "600000"})
        assert in_time.status_code == 200


def test_the_setting_is_the_longest_deadline(settings: Settings) -> None:
    """A header asks for less time than the setting gives, never for more."""
    app = create_app(limited(settings, deadline_seconds=0.2))
    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        with busy(app.state.service.engine):
            late = client.get("/uncertainty", params={"text": "a"}, headers={"X-Deadline-Ms": "600000"})
            assert late.status_code == 504 and "0.2 seconds" in late.json()["detail"]


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "soon", "", "9" * 10, "٣"])
def test_deadlines_are_milliseconds(client: TestClient, given: str) -> None:
    """Anything else than a whole number from 1 is refused and the header is named."""
    response = client.get("/info", headers={"X-Deadline-Ms": given.encode()})
    assert response.status_code == 422 and "X-Deadline-Ms" in response.json()["detail"]


def test_finishing_before_the_end(settings: Settings) -> None:
    """A query on its way when the server is told to stop is answered, and then the server ends."""
    app = create_app(settings)
    engine = app.state.service.engine
    with running(uvicorn.Config(app, log_config=None)) as (server, port), ThreadPoolExecutor(1) as threads:
        until(lambda: app.state.service.ready)
        with busy(engine):
            asked = threads.submit(httpx2.get, f"http://127.0.0.1:{port}/uncertainty", params={"text": "a"})
            until(lambda: engine.admission.count == 1)
            server.should_exit = True
        assert asked.result().status_code == 200
