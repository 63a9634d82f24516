"""Who is let in: keys, scopes, rates, other sites, addresses; and that no key is ever told."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from test_service_load import until

from models.errors import ConfigError
from service.access import check_exposure, scope_of
from service.app import create_app, serve
from service.errors import UnknownHostError
from service.hosts import check_host, names
from service.keys import Scope, new_key, to_store
from service.settings import Settings, read

KEYS = {"reader": new_key(), "writer": new_key(), "chief": new_key(), "hasty": new_key()}
ENTRIES = [
    to_store(KEYS["reader"], "reader", [Scope.READ], 1000, 1000),
    to_store(KEYS["writer"], "writer", [Scope.WRITE], 1000, 1000),
    to_store(KEYS["chief"], "chief", [Scope.READ, Scope.WRITE, Scope.ADMIN], 1000, 1000),
    to_store(KEYS["hasty"], "hasty", [Scope.READ], 0.001, 2),
]


@pytest.fixture(scope="module")
def locked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server with keys."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text("\n\n".join(ENTRIES))
    guarded = settings.model_copy(update={"keys": path, "cors_origins": ("https://shop.example",)})
    with TestClient(create_app(guarded), raise_server_exceptions=False) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        yield client


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


def basic(name: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"anybody:{KEYS[name]}".encode()).decode()}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("GET", "/", Scope.READ),
        ("GET", "/info", Scope.READ),
        ("GET", "/items/a/b", Scope.READ),
        ("HEAD", "/items/a", Scope.READ),
        ("POST", "/search/text-to-image", Scope.READ),
        ("POST", "/galleries/flowers/search/image-to-text", Scope.READ),
        ("POST", "/uncertainty", Scope.READ),
        ("POST", "/attention", Scope.READ),
        ("GET", "/uncertainty/words", Scope.READ),
        ("POST", "/items", Scope.WRITE),
        ("POST", "/galleries/search/items", Scope.WRITE),
        ("PUT", "/items/search", Scope.WRITE),
        ("DELETE", "/items/publish", Scope.WRITE),
        ("DELETE", "/galleries/flowers/items/search", Scope.WRITE),
        ("POST", "/whatever", Scope.WRITE),
        ("POST", "/publish", Scope.ADMIN),
        ("POST", "/galleries/flowers/publish", Scope.ADMIN),
        ("GET", "/admin/anything", Scope.ADMIN),
        ("POST", "/galleries", Scope.WRITE),
    ],
)
def test_scopes_of_routes(method: str, path: str, scope: Scope | None) -> None:
    """Reading and asking need read, changing write, administering admin; probes need nothing, an id decides nothing."""
    assert scope_of(method, path) is scope


@pytest.mark.parametrize("path", ["/", "/info", "/metrics", "/openapi.json", "/items/plain", "/nowhere"])
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic ???"}, {"Authorization": "Bearer"}]
)
def test_no_key(locked: TestClient, path: str, headers: dict[str, str]) -> None:
    """Without a key that is known every route but the probes is 401 with the challenges, whether it exists or not."""
    response = locked.get(path, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="penumbra", Basic ')
    assert locked.get("/healthz", headers=headers).status_code == 200


def test_scopes(locked: TestClient) -> None:
    """A key opens what it has the scope for; else the answer is 403 and names the scope that is missing."""
    search: dict[str, Any] = {"url": "/search/text-to-image", "json": {"text": "a red star"}}
    assert locked.post(**search, headers=bearer("reader")).status_code == 200
    assert locked.get("/metrics", headers=bearer("reader")).status_code == 200
    for headers, method, path, scope in (
        (bearer("writer"), "GET", "/info", "read"),
        (bearer("reader"), "DELETE", "/items/plain", "write"),
        (bearer("writer"), "POST", "/publish", "admin"),
    ):
        refused = locked.request(method, path, headers=headers)
        assert refused.status_code == 403
        assert f"scope {scope}" in refused.json()["detail"]
    assert locked.post("/publish", headers=bearer("chief")).status_code in (404, 405)


def test_what_a_browser_sends_by_itself_only_reads(locked: TestClient) -> None:
    """A key sent as Basic shows the page and searches, and changes nothing though the key may."""
    assert locked.get("/", headers=basic("chief")).status_code == 200
    assert locked.post("/search/text-to-image", json={"text": "a"}, headers=basic("chief")).status_code == 200
    assert locked.delete("/items/plain", headers=basic("chief")).status_code == 403


def test_a_body_without_a_key_is_not_read(locked: TestClient) -> None:
    """Whoever has no key is told so before the length of a body matters."""
    assert locked.post("/search/text-to-image", content=b"{" * 300_001).status_code == 401


def test_pictures_are_not_for_shared_caches(locked: TestClient) -> None:
    """What needs a key may be kept by whoever has it alone."""
    for path in ("/items/plain/image", locked.get("/items/plain", headers=bearer("reader")).json()["image_url"]):
        assert locked.get(path, headers=bearer("reader")).headers["Cache-Control"].startswith("private, ")


def test_rates(locked: TestClient) -> None:
    """More than its burst is 429 with Retry-After for a key, and for that key alone."""
    answers = [locked.get("/info", headers=bearer("hasty")) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert 900 < int(answers[-1].headers["Retry-After"]) <= 1000
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert locked.get("/info", headers=bearer("reader")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://testserver"}, 405),
        ({"Sec-Fetch-Site": "same-origin"}, 405),
        ({}, 405),
    ],
)
def test_other_sites_change_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    """Without keys too, what another site makes a browser send is refused where it could change something."""
    assert client.request("PATCH", "/items/plain", headers=headers).status_code == status


def test_cors(locked: TestClient, client: TestClient) -> None:
    """A site that is named may ask, preflight included, and no other; without the setting none may."""
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for server, origin, allowed in (
        (locked, "https://shop.example", "https://shop.example"),
        (locked, "https://evil.example", None),
        (client, "https://shop.example", None),
    ):
        found = server.options("/search/text-to-image", headers={"Origin": origin, **ask})
        assert found.headers.get("Access-Control-Allow-Origin") == allowed
    answer = locked.get("/info", headers={"Origin": "https://shop.example", **bearer("reader")})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://shop.example/", "https://*.example"])
def test_origins_are_origins(origin: str) -> None:
    """Nothing else than a scheme and a host is taken for a site."""
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        read(gallery="somewhere", cors_origins=[origin])


OWN = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "127.9.9.9:1", "[::1]", "[::1]:8000"]
OTHERS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "10.0.0.1",
    "",
    "[::1",
    "localhost@evil.example",
]


@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "localhost"])
def test_another_sites_name_does_not_lead_here(bound: str) -> None:
    """Where only this machine reaches the server, it answers to this machine's own names and those that are listed."""
    alone = names(Settings(gallery=Path("nowhere"), host=bound))
    listed = names(Settings(gallery=Path("nowhere"), host=bound, hosts=("shop.example", "2001:db8::1")))
    assert alone is not None and listed is not None
    for host in [*OWN, None]:
        check_host(host, alone)
        check_host(host, listed)
    for host in OTHERS:
        for known in (alone, listed):
            with pytest.raises(UnknownHostError):
                check_host(host, known)
    for host in ("shop.example", "Shop.Example:443", "[2001:db8::1]:8000"):
        check_host(host, listed)
        with pytest.raises(UnknownHostError):
            check_host(host, alone)


def test_other_addresses_have_any_name() -> None:
    """A server on another address is behind what names it; unless its names are listed."""
    assert names(Settings(gallery=Path("nowhere"), host="0.0.0.0")) is None
    assert names(Settings(gallery=Path("nowhere"), host="0.0.0.0", hosts=("shop.example",))) == ("shop.example",)


def test_a_name_of_another_site_is_refused(client: TestClient, locked: TestClient) -> None:
    """It is 421 before its key is looked at, on every route but the probes, which tell nothing of a gallery."""
    evil = {"Host": "evil.example", "Origin": "http://evil.example"}
    for server in (client, locked):
        for method, path in (("GET", "/info"), ("GET", "/"), ("POST", "/search/text-to-image"), ("DELETE", "/items/a")):
            refused = server.request(method, path, headers=evil)
            assert (refused.status_code, refused.headers["content-type"]) == (421, "application/problem+json")
            assert "'evil.example'" in refused.json()["detail"] and "PENUMBRA_HOSTS" in refused.json()["detail"]
        assert server.get("/healthz", headers=evil).status_code == 200
    assert client.get("/info", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["*", "*.example", "shop.example:80", "http://shop.example", "Shop.example", "", "[::1]"]
)
def test_names_are_names(host: str) -> None:
    """Nothing else than a name or an address is taken for one."""
    with pytest.raises(ConfigError, match="HOSTS"):
        read(gallery="somewhere", hosts=[host])


def test_the_document_says_what_a_key_opens(locked: TestClient, client: TestClient) -> None:
    """With keys it has how to show one, and for each route the scope that opens it and no other; without, nothing."""
    document = locked.get("/openapi.json", headers=bearer("reader")).json()
    scheme = document["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer") and "penumbra keys new" in scheme["description"]
    told = {
        (path, method): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert [place for place, security in told.items() if security is None] == [("/healthz", "get"), ("/readyz", "get")]
    for (path, method), security in told.items():
        for name, scope in (("reader", "read"), ("writer", "write")):
            opened = "problem:not-allowed" not in locked.request(method, path, headers=bearer(name)).text
            assert security is None or opened == (security == [{"key": [scope]}]), (path, method)
        if security:
            assert {"401", "403", "429"} <= document["paths"][path][method]["responses"].keys()
    unguarded = client.get("/openapi.json").json()
    assert "securitySchemes" not in unguarded["components"] and '"security"' not in json.dumps(unguarded)


def test_the_log_has_the_keys_name(locked: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Of whoever showed a key that is known, though it does not open this; of nobody where none was shown."""
    with caplog.at_level(logging.INFO, "penumbra.requests"):
        locked.get("/info", headers=bearer("reader"))
        locked.delete("/items/plain", headers=bearer("reader"))
        locked.get("/info", headers={"Authorization": "Bearer wrong"})
    found = [vars(record)["fields"]["key"] for record in caplog.records if record.name == "penumbra.requests"]
    assert found == ["reader", "reader", None]


def test_keys_are_never_told(
    locked: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No key, no hash and no file of keys is in anything that the server emits: answers, headers, logs, output."""
    emitted = []
    with caplog.at_level(logging.DEBUG):
        for name in KEYS:
            for headers in (bearer(name), basic(name)):
                for method, path in (("GET", "/info"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("PUT", "/x")):
                    answer = locked.request(method, path, headers=headers)
                    emitted += [answer.text, str(answer.headers)]
    emitted += [caplog.text, *capfd.readouterr()]
    secrets = [*KEYS.values(), *(basic(name)["Authorization"][6:] for name in KEYS), "sha256", "keys.toml"]
    secrets += [line.split('"')[1] for entry in ENTRIES for line in entry.splitlines() if line.startswith("sha256")]
    assert [secret for secret in secrets for text in emitted if secret in text] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
def test_others_are_not_let_in_by_oversight(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Another address than this machine's own needs keys or --insecure; it stops before anything is loaded."""
    with pytest.raises(SystemExit) as exit:
        serve(Settings(gallery=Path("nowhere"), host=host))
    assert exit.value.code == 2
    told = capsys.readouterr().err
    assert host in told and "PENUMBRA_KEYS" in told and "--insecure" in told
    check_exposure(Settings(gallery=Path("nowhere"), host=host, insecure=True))
    check_exposure(Settings(gallery=Path("nowhere"), host=host, keys=Path("keys.toml")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_keys(host: str) -> None:
    """An address that only this machine reaches is open without keys."""
    check_exposure(Settings(gallery=Path("nowhere"), host=host))
