"""`penumbra index publish` with a server: it switches, or the link leads back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from cli import publish, server
from models.errors import ConfigError
from penumbra_client import Client, Retries
from service.app import create_app
from service.settings import Settings


@pytest.fixture
def client(settings: Settings, link: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server of what the link leads to, which the command reaches as http://here."""
    with TestClient(create_app(settings.model_copy(update={"gallery": link})), "http://here") as client:

        def reach(request: httpx2.Request) -> httpx2.Response:
            if request.url.host != "here":
                raise httpx2.ConnectError("Connection refused")
            answer = client.request(request.method, str(request.url))
            return httpx2.Response(answer.status_code, content=answer.content)

        once = {"transport": httpx2.MockTransport(reach), "retries": Retries(most=0)}
        monkeypatch.setattr(server, "Client", partial(Client, **once))
        yield client


def fingerprint(client: TestClient) -> str:
    return str(client.get("/info").json()["gallery"]["fingerprint"])


def test_the_server_switches(
    client: TestClient, link: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers with the new gallery when the command ends, which says from what to what."""
    before = fingerprint(client)
    publish.command(tmp_path / "next" / "gallery", link, "http://here/")
    after = fingerprint(client)
    assert before != after
    assert f"{before[:12]} → {after[:12]}" in capsys.readouterr().out


def test_the_server_refuses(client: TestClient, link: Path, own: Path, tmp_path: Path) -> None:
    """What this machine finds sound the server may not: the link leads back, and the error has the server's reason."""
    # The server is told of another model than the gallery's own.
    client.app.state.service.galleries.default.engine.place.__dict__["model"] = own.parent / "model"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="was made by the model"):
        publish.command(tmp_path / "next" / "gallery", link, "http://here")
    assert link.resolve() == own
    assert client.get("/readyz").json()["refused_swaps"].keys() == {"default"}


def test_the_server_cannot_be_reached(client: TestClient, link: Path, tmp_path: Path) -> None:
    """The link leads on, because the server may have heard; a gallery that it does not have is named."""
    with pytest.raises(ConfigError, match="Connection refused"):
        publish.command(tmp_path / "next" / "gallery", link, "http://there")
    assert link.resolve() == tmp_path / "next" / "gallery"
    with pytest.raises(ConfigError, match="no gallery 'hats'"):
        publish.command(tmp_path / "next" / "gallery", link, "http://here/galleries/hats")
