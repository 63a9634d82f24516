"""Texts, and bodies of JSON, that nobody meant."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np


def bodies(seed: int) -> Iterator[tuple[str, bytes]]:
    """Without end: what is wrong with it, and the body of a search."""
    yield from fixed()
    rng = np.random.default_rng(seed)
    while True:
        for name, (low, high) in _PLANES.items():
            count = int(rng.integers(1, 1100))
            yield name, search("".join(map(chr, rng.integers(low, high, count))))
        yield "bytes", rng.bytes(int(rng.integers(1, 500)))


def fixed() -> Iterator[tuple[str, bytes]]:
    """Megabytes, depth, vast numbers, and characters that grow when they are normalised."""
    yield "a megabyte", search("a " * 500_000)
    yield "nineteen megabytes", search("x" * 19_000_000)
    yield "a thousand characters of one letter each", search("a " * 500)
    yield "a thousand ligatures of eighteen letters", search("\ufdfa" * 1000)
    yield "a thousand letters with marks on them", search("a" + "\u0301" * 999)
    yield "unjoined joiners", search("\u200d" * 1000)
    yield "right to left and back", search("\u202e\u202d\u2066 star" * 50)
    yield "null", search("red\0star")
    yield "half a pair", search("\ud83d red \udc00")
    yield "depth", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield "depth of objects", b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    yield "a vast number", b'{"text": "a", "seed": ' + b"9" * 100_000 + b"}"
    yield "a vast exponent", b'{"text": "a", "min_match_probability": 1e999999}'
    yield "not a number", b'{"text": "a", "min_match_probability": NaN}'
    yield "one field many times", b'{"text": "a"' + b', "text": "b"' * 50_000 + b"}"
    yield "many fields", json.dumps({str(n): n for n in range(50_000)}).encode()
    yield "a field of megabytes", json.dumps({"x" * 2_000_000: 1}).encode()
    yield "UTF-16", '{"text": "a"}'.encode("utf-16")
    yield "broken UTF-8", b'{"text": "\xc3\x28\xff"}'


def search(text: str) -> bytes:
    """The body of a search for a text."""
    return json.dumps({"text": text}).encode()


_PLANES = {
    "control characters": (0, 32),
    "ASCII": (32, 127),
    "the basic plane": (0, 0x10000),
    "all of unicode": (0, 0x110000),
    "private use": (0xE000, 0xF900),
    "marks": (0x300, 0x370),
    "CJK": (0x4E00, 0xA000),
    "emoji": (0x1F300, 0x1FAFF),
}
