"""What needs no model loads nothing that takes seconds, and what stands here in the place of that agrees with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import get_args

import numpy as np
import pytest

from cli import completion
from cli.commands import choices
from evaluation.relevance import Relevance
from index.files.manifest import MANIFEST
from index.gaussians.storage import Storage
from index.searching.rerank import Rerank
from models.checkpoint import CONFIG
from models.image import encode_png
from models.runtimes.runtime import EXPORTED, Runtime
from penumbra_client import Fingerprints, Hit, Query, SearchAnswer, Uncertainty
from service.keys import Scope

HEAVY = {"torch", "torchvision", "faiss", "numpy", "scipy", "PIL", "matplotlib", "fastapi", "uvicorn"}
COMMAND = """
from cli.main import main
sys.argv[0] = "penumbra"
main()
"""
EVERY_HELP = """
import typer.main
from typer.testing import CliRunner
from cli.main import app

def show(command, path):
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output, done.output
    print(*path)
    for name, inner in getattr(command, "commands", {}).items():
        show(inner, [*path, name])

show(typer.main.get_command(app), [])
"""


def fresh(program: str, *arguments: str, **more: str) -> tuple[str, set[str]]:
    """What a program prints in an interpreter of its own, and what of HEAVY it has loaded by its end."""
    watched = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n" + program
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
    command = [sys.executable, "-W", "error", "-c", watched, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, HEAVY & set(done.stderr.split())


def test_what_is_loaded_is_noticed() -> None:
    """So that the tests below can fail."""
    assert fresh("import numpy") == ("", {"numpy"})


def test_help_is_light() -> None:
    """That of every command there is."""
    shown, loaded = fresh(EVERY_HELP)
    assert {"", "search", "train", "index build", "keys new", "model export"} <= set(shown.splitlines())
    assert loaded == set()


def test_the_version_is_light() -> None:
    """It is that of the distribution."""
    assert fresh(COMMAND, "--version") == ("0.1.0\n", set())


@pytest.mark.parametrize(("typed", "offered"), [("penumbra ind", "index"), ("penumbra search sh", "shoes/")])
def test_completion_is_light(typed: str, offered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every TAB waits for it; of commands and of folders."""
    (tmp_path / "shoes").mkdir()
    monkeypatch.chdir(tmp_path)
    last = str(typed.count(" "))
    asked = {"_PENUMBRA_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": last}
    shown, loaded = fresh(COMMAND, **asked)
    assert (shown.split(), loaded) == ([offered], set())


class Server(BaseHTTPRequestHandler):
    """Answers every search with the same, and has one picture."""

    answer = SearchAnswer(
        query=Query("text", "a star", None, (), Uncertainty(0.25, -1.0, 2.0, 93.6)),
        direction="text-to-image",
        results=(Hit(1, "i0", "image", None, None, 0.5, 0.7, 0.0, 0.4, Uncertainty(0.2, -1.0, 2.0, 50.0)),),
        expected_matches=1.5,
        ranked=3,
        familiarity=None,
        no_match=None,
        calibrated=True,
        fingerprints=Fingerprints("m", "g"),
    )

    def do_POST(self) -> None:
        """A search."""
        self.rfile.read(int(self.headers["content-length"]))
        self._send("application/json", json.dumps(asdict(self.answer)).encode())

    def do_GET(self) -> None:
        """A picture."""
        self._send("image/png", encode_png(np.full((32, 32, 3), 200, np.uint8)))

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that runs."""
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_asking_a_server_is_light(address: str) -> None:
    """Its answer is shown, and as JSON, with a filter as without."""
    shown, loaded = fresh(COMMAND, "search", "--server", address, "--text", "a star")
    assert "70 %" in shown and "About 1.5 matches expected among 3 items ranked." in shown
    assert loaded == set()
    shown, loaded = fresh(
        COMMAND, "search", "--server", address, "--text", "a star", "--filter", '{"id": "i0"}', "--json"
    )
    assert json.loads(shown) == json.loads(json.dumps(asdict(Server.answer)))
    assert loaded == set()


def test_pictures_of_a_server_need_no_torch(address: str) -> None:
    """Where a terminal shows them, what decodes them is loaded, and nothing else."""
    terminal = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    shown, loaded = fresh(COMMAND, "search", "--server", address, "--text", "a star", **terminal)
    assert "▀" in shown
    assert loaded == {"numpy", "PIL"}


def test_choices_are_those_of_the_packages() -> None:
    """Options offer what the enumerations have, no more and no less, in their order."""
    for offered, known in (
        (get_args(choices.Relevance), Relevance),
        (get_args(choices.Rerank), Rerank),
        (get_args(choices.Runtime), Runtime),
        (get_args(choices.Storage), Storage),
        (tuple(choices.Scope), Scope),
    ):
        assert offered == tuple(each.value for each in known)
    assert EXPORTED == ("onnx", "openvino"), "the help of `model export --runtime` names them"


def test_galleries_and_models_are_known_by_their_own_files() -> None:
    """The names that completion looks for are those that are written."""
    assert (completion.MANIFEST, completion.CONFIG) == (MANIFEST, CONFIG)
