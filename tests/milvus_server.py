"""A real Milvus Lite server in a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

import pytest

SECONDS = 60


class MilvusServer:
    """A server process; one that was killed is started again over the same data, at the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.start()

    def address(self, collection: str) -> str:
        """Of a collection, as `--store` takes it."""
        return f"milvus://127.0.0.1:{self.port}/{collection}"

    def start(self) -> None:
        """Start it, and wait until it can be connected to."""
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.folder / "data")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        ends = monotonic() + SECONDS
        while not connects(self.port):
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert monotonic() < ends, "Milvus Lite did not start"
            sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it where it is: it takes connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it stopped."""
        self._process.send_signal(signal.SIGCONT)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def connects(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def running(folder: Path) -> Iterator[MilvusServer]:
    """A server until the block ends; the test is skipped where Milvus Lite is not installed, but for in CI."""
    if find_spec("milvus_lite") is None or find_spec("pymilvus") is None:
        assert "CI" not in os.environ, "milvus-lite is not installed: it is in requirements-dev.lock"
        pytest.skip("needs milvus-lite and pymilvus (requirements-dev.lock), which are not installed")
    server = MilvusServer(folder)
    try:
        yield server
    finally:
        server.go_on()
        server.kill()
