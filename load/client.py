"""Clients of a server on 127.0.0.1: so many at a time, or at a rate that does not wait for answers.

Run as a process of its own (`python -m load.client`), so that it shares no interpreter with what watches the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path

HOST = "127.0.0.1"
MOST_CONNECTIONS = 400
"""Open at once by a client that does not wait; beyond them a request counts as not sent."""
PATIENCE = 60.0


@dataclass
class Seen:
    """What clients saw.

    Args:
        seconds: that it took.
        accepted: latencies of answers with status 200, in milliseconds, from when each was due.
        statuses: how many answers had which status.
        later: how many 429 had a Retry-After.
        unsent: requests for which there was no connection.
        broken: connections that ended without an answer.
    """

    seconds: float = 0.0
    accepted: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    later: int = 0
    unsent: int = 0
    broken: int = 0

    def add(self, head: bytes, milliseconds: float) -> None:
        """Count an answer."""
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.later += status == 429 and b"\r\nretry-after:" in head.lower()
        if status == 200:
            self.accepted.append(milliseconds)


class Connections:
    """Connections that are kept and used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self.open = 0

    @property
    def room(self) -> bool:
        """Whether one is idle, or may be opened."""
        return bool(self._idle) or self.open < MOST_CONNECTIONS

    async def ask(self, request: bytes, seen: Seen, due: float) -> None:
        """Send a request and count its answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self._ask(request)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
            seen.broken += 1
        else:
            seen.add(head, 1000 * (time.perf_counter() - due))

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
        except BaseException:
            self.open -= 1
            writer.close()
            raise
        if b"connection: close" in head.lower():
            self.open -= 1
            writer.close()
        else:
            self._idle.append((reader, writer))
        return head

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is idle and that the server has not closed since, or a new one."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            self.open -= 1
            writer.close()
        return await self._connect()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.open += 1
        try:
            return await asyncio.open_connection(HOST, self._port)
        except OSError:
            self.open -= 1
            raise

    def close(self) -> None:
        """Close those that are idle."""
        for _, writer in self._idle:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def at_rate(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> Seen:
    """Ask at a rate, whether answers come or not; latency counts from when a request was due."""
    seen, connections, asked = Seen(), Connections(port), cycle(requests)
    started, tasks = time.perf_counter(), set()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        if not connections.room:
            seen.unsent += 1
            continue
        task = asyncio.create_task(connections.ask(next(asked), seen, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    seen.seconds = time.perf_counter() - started
    connections.close()
    return seen


async def in_turn(port: int, requests: Sequence[bytes], clients: int, count: int) -> Seen:
    """Ask so many times from so many clients, each of which waits for its answer."""
    seen, left = Seen(), islice(cycle(requests), count)

    async def client() -> None:
        connections = Connections(port)
        for request in left:
            await connections.ask(request, seen, time.perf_counter())
        connections.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seen.seconds = time.perf_counter() - started
    return seen


def main(port: int, path: Path, how: str, one: float, two: float) -> None:
    """Do it, and print what was seen as JSON."""
    requests = [base64.b64decode(each) for each in json.loads(path.read_text())]
    asking = at_rate(port, requests, one, two) if how == "rate" else in_turn(port, requests, int(one), int(two))
    print(json.dumps(asdict(asyncio.run(asking))))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
