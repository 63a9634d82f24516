"""What the documentation shows can be typed: commands are understood, requests are answered, Python runs."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import typer.main
from fastapi.testclient import TestClient
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from cli.audit import audit_gallery
from cli.main import app
from documentation.__main__ import ROOT
from documentation.sample import Sample
from service.app import create_app
from service.settings import Settings

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
DEMO_SCENE = re.compile(r"\bscene-\d{6}\b")
ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "&"}


def lines(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks, fenced or indented, those that go on in the next one put together."""
    text = page.read_text()
    fenced = "\n".join(re.findall(r"^ *```(?:sh|console|bash)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL))
    indented = "\n".join(
        re.findall(r"^ {4}\S.*$(?:\n {5,}\S.*$)*", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    )
    joined = re.sub(r"\\\n\s*", " ", fenced + "\n" + indented)
    return (line.strip().removeprefix("$ ") for line in joined.splitlines())


def words(line: str, program: str) -> Sequence[str] | None:
    """The arguments of a program in a line; None where the line does not call it, or shows how it is called."""
    if not re.match(rf"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?{program} ", line) or " [OPTIONS]" in line:
        return None
    # What is told of a command stands some spaces behind it; a placeholder of a seed is as good as one.
    found = shlex.split(re.sub(r"\$seed\b|\bSEED\b", "0", re.split(r" {3,}", line)[0]), comments=True)
    found = found[next(place for place, word in enumerate(found) if word.endswith(program)) + 1 :]
    return found[: next((place for place, word in enumerate(found) if word in ENDS), len(found))]


def calls(page: Path, program: str) -> list[Sequence[str]]:
    return [found for line in lines(page) if (found := words(line, program)) is not None]


def understood(arguments: Sequence[str]) -> None:
    """Raise where a command does not exist or does not take these options; nothing is run."""
    command, name = typer.main.get_command(app), "penumbra"
    rest = list(arguments)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    command.make_context(name, rest)


@each_page
def test_commands_are_understood(page: Path) -> None:
    """Every `penumbra …` names a command, options that it has, values of their kind, and all that it needs."""
    for arguments in calls(page, "penumbra"):
        understood(arguments)


def test_a_wrong_option_is_noticed() -> None:
    """And a wrong command, and a missing argument: so that the test above can fail."""
    for arguments in (["search", "g", "--txt", "a"], ["serch"], ["train"], ["bench", "g", "--queries", "many"]):
        with pytest.raises((Exception, SystemExit)):
            understood(arguments)


def test_make_has_the_targets_that_are_named() -> None:
    """Every `make …` in a code block."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for page in PAGES for words in calls(page, "make") if words and "=" not in words[0]}
    assert named <= targets


@dataclass
class Curl:
    """A request as curl is told of it."""

    method: str = "GET"
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    form: list[tuple[str, str]] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, arguments: Sequence[str]) -> Curl:
        """Understands the options that the documentation uses, and no other."""
        curl, rest = cls(), iter(arguments)
        for word in rest:
            if word in ("-d", "-F"):
                curl.method = "POST" if curl.method == "GET" else curl.method
            match word:
                case "-s" | "-f" | "-i":
                    pass
                case "-G":
                    curl.method = "GET"
                case "--data-urlencode":
                    name, _, value = next(rest).partition("=")
                    curl.parameters.append((name, value))
                case "-X":
                    curl.method = next(rest)
                case "-H":
                    name, _, value = next(rest).partition(":")
                    curl.headers[name] = value.strip()
                case "-d":
                    curl.body = next(rest)
                case "-F":
                    name, _, value = next(rest).partition("=")
                    curl.form.append((name, value))
                case _:
                    assert not word.startswith("-"), word
                    curl.url = re.sub(r"^(https?://)?(localhost|127\.0\.0\.1):\d+", "", word)
        return curl

    def send(self, client: TestClient, picture: bytes) -> Any:
        """Send it to a server; every file is the same picture, every scene of the demo the same one of the sample."""
        files: list[tuple[str, Any]] = [
            (name, ("picture.png", picture) if value.startswith("@") else (None, value)) for name, value in self.form
        ]
        url = DEMO_SCENE.sub("scene-000003", self.url)
        url += ("&" if "?" in url else "?") + urlencode(self.parameters) if self.parameters else ""
        return client.request(self.method, url, headers=self.headers, content=self.body, files=files or None)


@pytest.fixture(scope="module")
def client(sample: Sample) -> Iterator[TestClient]:
    """A server that may change, over two audited copies of the sample's gallery."""
    first, second = (sample.folder / name for name in ("first", "second"))
    for copy in (first, second):
        shutil.copytree(sample.folder / "gallery", copy)
        audit_gallery(copy)
    settings = Settings(gallery=first, galleries={"second": second}, threads=1, writable=True)
    with TestClient(create_app(settings), "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@each_page
def test_requests_are_answered(page: Path, client: TestClient, sample: Sample) -> None:
    """Every curl of a page, in its order, gets what it asks for."""
    picture = next((sample.folder / "collection" / "images").iterdir()).read_bytes()
    for arguments in calls(page, "curl"):
        answer = Curl.read(arguments).send(client, picture)
        assert answer.status_code < 300, (arguments, answer.text)


@each_page
def test_python_runs(page: Path) -> None:
    """Every block of Python of a page, one after the other in one namespace."""
    sybil = Sybil([PythonCodeBlockParser()], pattern="*.md")
    for example in sybil.parse(page).examples():
        example.evaluate()
