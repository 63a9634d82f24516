"""By which names the server may be asked.

A page of another site can let its own name lead to 127.0.0.1 (DNS rebinding): its browser then takes what listens there
for a part of that site, and lets the page read it. The name still stands in the header Host. Starlette's own check
(TrustedHostMiddleware) takes an IPv6 address for what stands before its first colon, and answers in plain text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from service.errors import UnknownHostError
from service.settings import Settings


# Nearly every request names the same host.
@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a name or address is one that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names(settings: Settings) -> Collection[str] | None:
    """The names to answer to beside this machine's own; None for any."""
    return settings.hosts if settings.hosts or is_loopback(settings.host) else None


def check_host(given: str | None, known: Collection[str]) -> None:
    """Refuse a request by the value of its header Host; without one it is from no browser.

    Raises:
        UnknownHostError: it is neither this machine's own name nor one that is known.
    """
    name = None if given is None else _name(given)
    if name is not None and name not in known and not is_loopback(name):
        raise UnknownHostError(f"This server does not answer to {name[:80]!r}; add it to PENUMBRA_HOSTS if it should.")


@lru_cache(maxsize=64)
def _name(host: str) -> str:
    """In small letters, without the port and the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host
