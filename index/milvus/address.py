"""Where a gallery lies that is not all in its folder: `milvus://HOST:PORT/COLLECTION`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from models.errors import ConfigError

_SCHEME: Final = "milvus"
_PORT: Final = 19530
# What Milvus takes for the name of a collection.
_COLLECTION: Final = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)


@dataclass(frozen=True)
class StoreAddress:
    """A collection of a Milvus server. Credentials are no part of it: it is written into manifests and logs."""

    host: str
    port: int
    collection: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From what `str` gives; raises `ConfigError`."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or _PORT
        except ValueError:
            host, port = None, _PORT
        collection = parts.path.removeprefix("/") if host else ""
        plain = host and parts.scheme == _SCHEME and not (parts.query or parts.fragment or "@" in parts.netloc)
        if not host or not plain or not _COLLECTION.fullmatch(collection):
            raise ConfigError(
                f"{text!r} is no store: write {_SCHEME}://HOST:{_PORT}/COLLECTION, the collection's name of letters, "
                "digits and underscores"
            )
        return cls(host, port, collection)

    @property
    def uri(self) -> str:
        """Of the server, as Milvus's client takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __str__(self) -> str:
        return f"{_SCHEME}{self.uri.removeprefix('http')}/{self.collection}"
