"""A server in a process of its own, with the settings it has by default, and what it takes of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.demo import SHIPPED_MODEL
from corpus.read import read
from corpus.scenes.generate import write
from index.building.build import build
from models import checkpoint
from service.app import _bind

PATIENCE: Final = 120.0


@dataclass(frozen=True)
class Taken:
    """What a process takes: resident memory in MB, descriptors, threads."""

    resident: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def taken(self) -> Taken:
        """What it takes now."""
        folder = Path(f"/proc/{self.process.pid}")
        facts = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        resident = int(facts["VmRSS"].split()[0]) / 1000
        return Taken(resident, len(list((folder / "fd").iterdir())), int(facts["Threads"]))


@contextmanager
def serving(gallery: Path, log: Path, **settings: str) -> Iterator[Server]:
    """Serve a gallery on 127.0.0.1; stop it at the end, and see that it ends by itself.

    Args:
        gallery: its folder.
        log: where what it writes goes.
        settings: of the environment, without PENUMBRA_.
    """
    with _bind("127.0.0.1", 0) as door:
        port = int(door.getsockname()[1])
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", str(gallery), "--port", str(port)]
    named = {f"PENUMBRA_{name}": value for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **named}
    with log.open("wb") as written:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
    server = Server(port, process)
    try:
        _wait(server)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


def _wait(server: Server) -> None:
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        if not server.alive:
            raise RuntimeError("the server ended before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError("the server was not ready in time")


def scenes(folder: Path, images: int) -> Path:
    """A gallery of so many Scenes by the model that ships; its pictures lie in `scenes` beside it."""
    write(folder / "scenes", images, 7, side=96, per_image=2)
    build(checkpoint.load(SHIPPED_MODEL), read(folder / "scenes"), folder / "gallery")
    return folder / "gallery"
