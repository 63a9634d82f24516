"""`penumbra search` in this process: on a gallery and on a server, as people see it and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from rich.console import Console

from cli import answers, search, server
from cli.main import main
from cli.pictures import can_show_pictures, half_blocks
from faults.subject import MODEL, build_gallery, write_corpus, write_model
from models.image import encode_png
from penumbra_client import Client, Hit, NoMatch, Query, Retries, SearchAnswer, Uncertainty
from penumbra_client.answers import Fingerprints
from service.app import create_app
from service.settings import Settings

Penumbra = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images with two captions each."""
    folder = tmp_path_factory.mktemp("searched")
    write_model(folder / MODEL)
    write_corpus(folder / "corpus", images=3, seed=1)
    build_gallery(folder / MODEL, folder / "corpus", folder / "gallery")
    return folder / "gallery"


@pytest.fixture(scope="module")
def service(gallery: Path) -> Iterator[TestClient]:
    """A server of it."""
    with TestClient(create_app(Settings(gallery=gallery, threads=1, hosts=("here",))), "http://here") as client:
        yield client


@pytest.fixture
def penumbra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: TestClient) -> Penumbra:
    """Runs `penumbra search …`, which reaches the server as http://here: exit code, stdout, stderr."""

    def reach(request: httpx2.Request) -> httpx2.Response:
        if request.url.host != "here":
            raise httpx2.ConnectError("Connection refused")
        body, headers = request.read(), dict(request.headers)
        answer = service.request(request.method, str(request.url), content=body, headers=headers)
        return httpx2.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    def connected(url: str, **more: Any) -> Client:
        return Client(url, **more, retries=Retries(most=0), transport=httpx2.MockTransport(reach))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["penumbra", "search", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    monkeypatch.setattr(server, "Client", connected)
    return run


def rounded(value: Any) -> Any:
    """Numbers as an answer over HTTP has them; the addresses of pictures are a server's alone."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items() if name != "image_url"}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


@pytest.mark.parametrize("rerank", ["sampled", "closed_form", "none"])
def test_a_gallery_answers_like_its_server(gallery: Path, penumbra: Penumbra, service: TestClient, rerank: str) -> None:
    """The JSON of a folder, that of the command with --server, and the answer over HTTP are the same."""
    filter_ = '{"id": {"in": ["i0", "i2"]}}'
    asked = ("--text", "a red thing", "--top-k", 2, "--rerank", rerank, "--filter", filter_, "--json")
    code, local, _ = penumbra(gallery, *asked)
    assert code == 0
    code, remote, _ = penumbra("--server", "http://here", *asked)
    assert code == 0
    body = {"text": "a red thing", "top_k": 2, "rerank": rerank, "filter": json.loads(filter_)}
    told = service.post("/search/text-to-image", json=body).json()
    assert [hit["id"] for hit in told["results"]] in (["i0", "i2"], ["i2", "i0"])
    known = {name: told[name] for name in json.loads(remote)}
    assert json.loads(remote) == known
    assert rounded(json.loads(local)) == rounded(known)


def test_a_picture_asks_both(gallery: Path, penumbra: Penumbra) -> None:
    """A file asks a folder and a server alike."""
    picture = gallery.parent / "corpus" / "0.png"
    _, local, _ = penumbra(gallery, "--image", picture, "--json")
    _, remote, _ = penumbra("--server", "http://here/", "--image", picture, "--json")
    assert json.loads(local)["results"][0]["modality"] == "text"
    assert rounded(json.loads(local)) == rounded(json.loads(remote))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--text", "x"), "a gallery's folder or a --server"),
        (("{gallery}", "--server", "http://here", "--text", "x"), "a gallery's folder or a --server"),
        (("--server", "http://here", "--model", "m", "--text", "x"), "has its own model"),
        (("--server", "http://here/galleries/none", "--text", "x"), "no gallery 'none'"),
        (("--server", "here", "--text", "x"), "'here' is no address"),
        (("--server", "http://there", "--text", "x"), "http://there does not answer"),
        (("--server", "http://here", "--text", "x", "--top-k", "9999"), "more than the 1000"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    gallery: Path, penumbra: Penumbra, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2 and one line on stderr, also when it is the server who refuses."""
    code, shown, told = penumbra(*(argument.format(gallery=gallery) for argument in arguments))
    assert (code, shown) == (2, "")
    assert words in told and len(told.strip().splitlines()) == 1


def answer(probability: float, error: float | None, no_match: NoMatch | None = None) -> SearchAnswer:
    uncertainty = Uncertainty(0.25, -1.0, 2.0, 93.6)
    hit = Hit(1, "i0", "image", None, None, 0.5, probability, error, 0.4, uncertainty)
    query = Query("text", "a zorb", None, ("zorb",), uncertainty)
    prints = Fingerprints("m", "g")
    return SearchAnswer(query, "text-to-image", (hit,), 3.14, 200, None, no_match, True, prints)


def shown(monkeypatch: pytest.MonkeyPatch, found: SearchAnswer, pictures: dict[str, bytes]) -> str:
    """What is printed in a terminal with colours."""
    terminal = Console(file=StringIO(), width=100, force_terminal=True, color_system="truecolor")
    for module in (answers, search):
        monkeypatch.setattr(module, "CONSOLE", terminal)
    monkeypatch.setattr("cli.show.CONSOLE", terminal)
    answers.show_answer(found, pictures)
    file = terminal.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_what_an_answer_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probability with its error, a bar as long, σ of query and item, unknown words and the number expected."""
    text = shown(monkeypatch, answer(0.5, 0.044), {})
    assert "50 ± 4 %" in text
    assert text.count("█") == answers.BAR_CELLS // 2
    assert "σ of the text is 0.2500: vaguer than 93 % of the gallery's texts." in text
    assert "does not know: zorb." in text
    assert "About 3.1 matches expected among 200 items ranked." in text
    assert "±" not in shown(monkeypatch, answer(0.5, None), {})


def test_no_match_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason, instead of the number expected."""
    text = shown(monkeypatch, answer(0.1, 0.0, NoMatch("nothing-probable", "Because of this.")), {})
    assert "Nothing here matches. Because of this." in text
    assert "expected" not in text


def test_pictures_are_half_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upper pixel is the colour of the character, the lower its background's."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[0::2], pixels[1::2] = (255, 0, 0), (0, 0, 255)
    drawn = half_blocks(encode_png(pixels))
    assert drawn.plain == "\n".join(["▀" * 16] * 8)
    style = drawn.get_style_at_offset(Console(), 0)
    assert style.color is not None and style.bgcolor is not None
    assert (style.color.triplet, style.bgcolor.triplet) == ((255, 0, 0), (0, 0, 255))
    assert shown(monkeypatch, answer(0.5, 0.0), {"i0": encode_png(pixels)}).count("▀") == 128


def test_pictures_are_for_terminals_with_colours() -> None:
    """None in a pipe, nor where colours are not wanted."""
    assert can_show_pictures(Console(force_terminal=True, color_system="truecolor"))
    assert not can_show_pictures(Console(file=StringIO()))
    assert not can_show_pictures(Console(force_terminal=True, color_system="truecolor", no_color=True))


def test_pictures_are_asked_for_where_they_are_shown(
    gallery: Path, penumbra: Penumbra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder or the server, unless --no-pictures."""
    monkeypatch.setattr(search, "can_show_pictures", lambda console: True)
    for source in ((gallery,), ("--server", "http://here")):
        assert "▀" in penumbra(*source, "--text", "a thing")[1]
        assert "▀" not in penumbra(*source, "--text", "a thing", "--no-pictures")[1]
