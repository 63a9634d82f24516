"""Pictures that are none, or not what they say."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from zlib import compress, crc32

import numpy as np
from PIL import Image

from models.image import FORMATS

_ALLOWED = {*FORMATS, "MPO"}
"""MPO is a JPEG with others behind it."""


def pictures(seed: int) -> Iterator[tuple[str, bytes]]:
    """Without end: what is wrong with it, and the bytes."""
    rng = np.random.default_rng(seed)
    yield from fixed()
    real = [saved(name, rng) for name in FORMATS]
    while True:
        for name, data in zip(FORMATS, real, strict=True):
            how = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
            yield f"{name}, {how.__name__.strip('_')}", how(data, rng)


def fixed() -> Iterator[tuple[str, bytes]]:
    """Bombs, lying headers, and every format that Pillow writes and this project does not take."""
    yield "bomb of a PNG", png(20_000, 20_000, bytes(2501) * 20_000, bits=1)
    yield "PNG that says to be vast", png(2**31 - 1, 2**31 - 1, b"\0")
    yield "PNG that says to be larger than it is", png(6_000, 8_000, b"\0" * 100)
    yield "PNG that says to be smaller than it is", png(2, 2, bytes(40_000_000))
    yield "PNG of nothing", png(0, 0, b"")
    yield "PNG with a text that unpacks to 200 MB", png(8, 8, bytes(200), text=compress(bytes(200_000_000), 9))
    yield (
        "GIF that says to be vast",
        b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
    )
    yield (
        "GIF with a frame larger than itself",
        b"GIF89a\x01\0\x01\0\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
    )
    yield "BMP that says to be vast", b"BM" + bytes(8) + (54).to_bytes(4, "little") + _bmp_header(2**30, 2**30)
    yield "BMP of less than nothing", b"BM" + bytes(8) + (54).to_bytes(4, "little") + _bmp_header(-5, -5)
    yield "TIFF with strips outside", b"II*\0\x08\0\0\0" + bytes([255]) * 400
    yield "TIFF that points to itself", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    yield "WebP that says to be vast", b"RIFF\xff\xff\xff\xffWEBPVP8L" + bytes([10, 0, 0, 0, 0x2F]) + bytes([255]) * 4
    Image.init()
    for name in sorted(set(Image.SAVE) - _ALLOWED):
        for mode in ("RGB", "L", "1"):
            try:
                yield f"format {name}", saved(name, np.random.default_rng(0), mode)
            except Exception:  # Pillow lacks the encoder, or the format the mode.
                continue
            break


def saved(name: str, rng: np.random.Generator, mode: str = "RGB") -> bytes:
    """A picture of noise in a format."""
    buffer = BytesIO()
    noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(buffer, name)
    return buffer.getvalue()


def png(width: int, height: int, rows: bytes, *, bits: int = 8, text: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""
    size = (width & 0xFFFFFFFF).to_bytes(4, "big") + (height & 0xFFFFFFFF).to_bytes(4, "big")
    parts = [(b"IHDR", size + bytes([bits, 0, 0, 0, 0]))]
    parts += [(b"zTXt", b"a\0\0" + text)] if text else []
    parts += [(b"IDAT", compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + crc32(kind + content).to_bytes(4, "big")


def _bmp_header(width: int, height: int) -> bytes:
    size = width.to_bytes(4, "little", signed=True) + height.to_bytes(4, "little", signed=True)
    return (40).to_bytes(4, "little") + size + b"\x01\0\x18\0" + bytes(24)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(data)
    for place in rng.integers(len(data), size=int(rng.integers(1, 20))):
        found[place] ^= 1 << int(rng.integers(8))
    return bytes(found)


def _lying(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes near the front, where the header is, say the most or the least that they can."""
    place = int(rng.integers(4, 64))
    return data[:place] + (b"\xff" if rng.random() < 0.5 else b"\0") * 4 + data[place + 4 :]


def _shuffled(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece of it in another place."""
    begin, end, to = np.sort(rng.integers(len(data), size=3))
    return data[:begin] + data[end:to] + data[begin:end] + data[to:]


def _tailed(data: bytes, rng: np.random.Generator) -> bytes:
    return data + rng.bytes(int(rng.integers(1, 10_000)))


_MUTATIONS = (_cut, _flipped, _lying, _shuffled, _tailed)
