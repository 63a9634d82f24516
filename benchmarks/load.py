"""A light load generator: so many clients in one thread of one process, each with one request on its way at a time.

`python -m benchmarks.load PORT CLIENTS REQUESTS FILE` sends the requests of a file (JSON, base64 of each in full) in
turn to 127.0.0.1, and prints what it saw as JSON. It knows just enough of HTTP/1.1 to read our server's answers.
"""

from __future__ import annotations

import base64
import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_STAGES = re.compile(rb"(\w+);dur=([\d.]+)")
_PATIENCE = 120.0


@dataclass(frozen=True)
class Answer:
    """One answer: milliseconds until it was there, and those of each stage by its header Server-Timing."""

    latency: float
    stages: dict[str, float]


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seen = b""
        self._started = 0.0

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self._seen, self._started = b"", time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> Answer | None:
        """Read what is there; the answer when it is whole."""
        arrived = self.socket.recv(1 << 18)
        if not arrived:
            raise ConnectionError("the server hung up")
        self._seen += arrived
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap or len(body) < int(_length(head)):
            return None
        milliseconds = 1_000 * (time.perf_counter() - self._started)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head.splitlines()[0].decode())
        stages = {name.decode(): float(value) for name, value in _STAGES.findall(head)}
        return Answer(milliseconds, stages)


def _length(head: bytes) -> bytes:
    found = _LENGTH.search(head + b"\r\n")
    assert found is not None, "an answer without its length"
    return found.group(1)


def run(port: int, clients: int, count: int, requests: list[bytes]) -> dict[str, Any]:
    """Ask `count` times; the answers' latencies, the seconds that all took, and the processor's share of this."""
    selector, sent = selectors.DefaultSelector(), 0
    answers: list[Answer] = []
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(min(clients, count)):
        client = Client(port)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask(requests[sent % len(requests)])
        sent += 1
    while len(answers) < count:
        ready = selector.select(_PATIENCE)
        if not ready:
            raise TimeoutError("no answer came")
        for key, _ in ready:
            client = key.data
            answer = client.read()
            if answer is not None:
                answers.append(answer)
                if sent < count:
                    client.ask(requests[sent % len(requests)])
                    sent += 1
                else:
                    # The server hangs up on who asks nothing more, while others still wait for their answers.
                    selector.unregister(key.fileobj)
    return {
        "seconds": time.perf_counter() - wall,
        "client_seconds": time.process_time() - processor,
        "latency": [answer.latency for answer in answers],
        "stages": [answer.stages for answer in answers],
    }


if __name__ == "__main__":
    to, how_many, times = map(int, sys.argv[1:4])
    asked = [base64.b64decode(each) for each in json.loads(Path(sys.argv[4]).read_text())]
    print(json.dumps(run(to, how_many, times, asked)))
