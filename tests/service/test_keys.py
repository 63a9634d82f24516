"""API keys: how they are made, kept and read."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigError
from service.keys import Keys, Scope, new_key, to_store
from service.rates import TokenBucket


def stored(path: Path, *entries: str) -> Path:
    path.write_text("\n\n".join(entries))
    return path


def test_a_key_is_kept_as_its_hash_alone() -> None:
    """What is stored is TOML with the SHA-256 of the key, and the key cannot be read from it."""
    key = new_key()
    lines = to_store(key, "shop", [Scope.WRITE, Scope.READ], 2.5, 5)
    [entry] = tomllib.loads(lines)["key"]
    assert entry == {
        "name": "shop",
        "scopes": ["read", "write"],
        "rate": 2.5,
        "burst": 5,
        "sha256": sha256(key.encode()).hexdigest(),
    }
    assert key not in lines and key.removeprefix("penumbra_") not in lines
    assert len({new_key() for _ in range(100)}) == 100


@given(wrong=st.text())
def test_a_key_is_found_by_itself_alone(tmp_path_factory: pytest.TempPathFactory, wrong: str) -> None:
    """Each of several keys is found, and no other text is, half a surrogate pair included."""
    keys = {name: new_key() for name in ("one", "two")}
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    found = Keys.read(stored(path, *(to_store(key, name, [Scope.READ], 1, 1) for name, key in keys.items())))
    for name, key in keys.items():
        known = found.find(key)
        assert known is not None and known.name == name
    assert found.find(wrong) is None


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "key"),
        ("[[key]", "cannot be read"),
        ("[[key]]\nname = 'a'", "key.0"),
        (to_store("k", "a", [Scope.READ], 1, 1) + "\nsecret = 'x'", "key.0.secret"),
        (to_store("k", "a", [Scope.READ], 1, 1).replace("read", "root"), "key.0.scopes"),
        (to_store("k", "a", [Scope.READ], 1, 1) + "\n" + to_store("l", "a", [Scope.READ], 1, 1), "name twice"),
        (to_store("k", "a", [Scope.READ], 1, 1) + "\n" + to_store("k", "b", [Scope.READ], 1, 1), "sha256 twice"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: str, word: str) -> None:
    """A file that is no list of keys is refused in one line that names the place, and never the hash."""
    with pytest.raises(ConfigError, match=word) as refused:
        Keys.read(stored(tmp_path / "keys.toml", content))
    assert "keys.toml" in str(refused.value) and "\n" not in str(refused.value).removesuffix("\n")
    assert sha256(b"k").hexdigest() not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Its name and the command that makes one are in the message."""
    with pytest.raises(ConfigError, match="penumbra keys new"):
        Keys.read(tmp_path / "keys.toml")


@pytest.mark.parametrize("fields", [("a b", 1.0, 1), ("a", 0.0, 1), ("a", float("nan"), 1), ("a", 1.0, 0)])
def test_impossible_keys_are_not_made(fields: tuple[str, float, int]) -> None:
    """A name that is unfit for a log, and a rate or a burst of nothing, are refused."""
    with pytest.raises(ConfigError):
        to_store(new_key(), fields[0], [Scope.READ], *fields[1:])


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_a_bucket_keeps_its_rate(rate: float, burst: int, pauses: list[float]) -> None:
    """In any stretch of t seconds no more than burst + rate · t requests pass; one that waits as told passes."""
    now = 0.0
    bucket, passed = TokenBucket(rate, burst, lambda: now), []
    for pause in pauses:
        now += pause
        wait = bucket.take()
        if not wait:
            passed.append(now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6
    if wait:
        now += wait + 1e-9
        assert bucket.take() == 0.0
