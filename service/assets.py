"""The files of the pages: read and compressed once, sent again only when they have changed."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.responses import Response

_COMPRESSIBLE: Final = frozenset({".css", ".html", ".js", ".svg"})


@dataclass(frozen=True)
class Asset:
    """A file as it is sent: `compressed` with gzip, or None where that saves nothing."""

    media_type: str
    etag: str
    content: bytes
    compressed: bytes | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of a file."""
        content = path.read_bytes()
        # Without the time of compression, so that the same file is always the same bytes.
        compressed = gzip.compress(content, mtime=0) if path.suffix in _COMPRESSIBLE else None
        media_type = guess_type(path.name)[0] or "application/octet-stream"
        return cls(media_type, f'"{sha256(content).hexdigest()[:32]}"', content, compressed)

    def answer(self, request: Headers, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """The file; 304 without it where the one who asks has it; `headers` are added."""
        # A browser asks each time whether what it has is still right: a page must not run half old, half new.
        told = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **headers}
        if self.etag in request.get("if-none-match", ""):
            return Response(status_code=304, headers=told)
        if self.compressed is not None and "gzip" in request.get("accept-encoding", ""):
            return Response(self.compressed, headers={**told, "Content-Encoding": "gzip"}, media_type=self.media_type)
        return Response(self.content, headers=told, media_type=self.media_type)


def read_assets(paths: Iterable[Path]) -> dict[str, Asset]:
    """Files by their names."""
    return {path.name: Asset.read(path) for path in paths}
