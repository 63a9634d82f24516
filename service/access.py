"""Who may do what: the name it asks for, its key, the scope its route needs, the key's rate; before its body is read.

A browser asks for a key by itself (Basic, the key as password) and then sends it with every request to this server,
whichever site made the page. So a key sent that way opens only what reads.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import ConfigError
from service.errors import ForbiddenError, RateError, UnauthenticatedError, UnknownHostError, problem
from service.hosts import check_host, is_loopback
from service.keys import Key, Keys
from service.keys import Scope as KeyScope
from service.paths import COMPUTING, PROBES, noun
from service.rates import TokenBucket
from service.settings import Settings

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ADMINISTERING: Final = frozenset({"admin", "reload", "publish"})


def scope_of(method: str, path: str, metrics: KeyScope | None = KeyScope.READ) -> KeyScope | None:
    """What a request needs; None for the probes. An unknown route that may change something needs `write`.

    Args:
        method: of the request.
        path: of the request, or of a route.
        metrics: what /metrics needs.
    """
    if path == "/metrics":
        return metrics
    if path in PROBES:
        return None
    if noun(path) in _ADMINISTERING:
        return KeyScope.ADMIN
    asks = method == "POST" and noun(path) in COMPUTING
    return KeyScope.READ if method in _READING or asks else KeyScope.WRITE


def check_exposure(settings: Settings) -> None:
    """Refuse to be open to all the network by oversight.

    Raises:
        ConfigError: the address is not this machine's own, there are no keys, and nobody said that this is meant.
    """
    if settings.keys is None and not settings.insecure and not is_loopback(settings.host):
        raise ConfigError(
            f"The address {settings.host} lets others in and there are no keys: name a file of keys "
            "(PENUMBRA_KEYS, made with `penumbra keys new`), or say --insecure."
        )


@dataclass(frozen=True)
class _Shown:
    """A key as it was sent; `unasked` where a browser sends it by itself."""

    key: str
    unasked: bool


class Access:
    """Lets a request in, or answers 401, 403, 421 or 429.

    Args:
        app: what is behind.
        keys: None lets everybody in, but for what another site makes a browser send.
        hosts: names to answer to beside this machine's own; None for any. Probes are answered whatever they call it.
        origins: other sites that may ask.
        metrics: whether /metrics needs a scope too, and which.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys | None,
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
        metrics: KeyScope | None = KeyScope.READ,
    ) -> None:
        self._app, self._keys, self._metrics = app, keys, metrics
        self._hosts, self._origins = hosts, origins
        self._buckets: dict[str, TokenBucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except (UnknownHostError, UnauthenticatedError, ForbiddenError, RateError) as error:
                await problem(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._hosts is not None and scope["path"] not in PROBES:
            check_host(headers.get("host"), self._hosts)
        needed = scope_of(scope["method"], scope["path"], self._metrics)
        if needed in (KeyScope.WRITE, KeyScope.ADMIN) and not _is_own(headers, self._origins):
            raise ForbiddenError("A page of another site sent this; add the site to PENUMBRA_CORS_ORIGINS if it may.")
        if self._keys is None or needed is None:
            return
        shown = _shown(headers.get("authorization", ""))
        key = self._keys.find(shown.key) if shown else None
        if shown is None or key is None:
            raise UnauthenticatedError("Send a key that this server knows, as Authorization: Bearer KEY.")
        scope.setdefault("state", {})["key"] = key.name
        _check_scope(key, needed, shown.unasked)
        self._check_rate(key)

    def _check_rate(self, key: Key) -> None:
        bucket = self._buckets.setdefault(key.name, TokenBucket(key.rate, key.burst))
        if wait := bucket.take():
            raise RateError(f"The key {key.name} has {key.rate:g} requests a second; ask again later.", wait)


def _check_scope(key: Key, needed: KeyScope, unasked: bool) -> None:
    if needed not in key.scopes:
        raise ForbiddenError(f"The key {key.name} lacks the scope {needed.value}, which this needs; use another key.")
    if unasked and needed is not KeyScope.READ:
        raise ForbiddenError(f"What needs the scope {needed.value} needs the key as Authorization: Bearer KEY.")


def _shown(authorization: str) -> _Shown | None:
    """The key in this header (RFC 6750, RFC 7617), or None."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return _Shown(value.strip(), unasked=False)
        case "basic":
            return _Shown(_password(value.strip()), unasked=True)
    return None


def _password(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _is_own(headers: Headers, origins: Collection[str]) -> bool:
    """Whether no browser sent this, or one that shows a page of this server or of a site that may ask."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return origin in origins or urlsplit(origin).netloc == headers.get("host")
