"""API keys: a TOML file with each key's name, scopes, rate and SHA-256, and the key that a request shows.

The key itself is nowhere: it is shown once, by `penumbra keys new`. It has 256 random bits, so that a plain hash of it
cannot be searched for; a slow hash is for passwords, which people choose (docs/adr/0018).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from json import dumps
from pathlib import Path
from secrets import token_urlsafe
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import ConfigError

_PREFIX: Final = "penumbra_"
"""How every key begins, so that programs that look for leaked secrets can know one."""


class Scope(StrEnum):
    """What a key opens; none of them holds another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Key(BaseModel):
    """What is known of one key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Whose it is; fit for a log.")
    scopes: frozenset[Scope] = Field(min_length=1, description="What it opens.")
    rate: float = Field(20, gt=0, allow_inf_nan=False, description="Requests a second that it may send for long.")
    burst: int = Field(40, ge=1, description="Requests that it may send at once after a pause.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the key, in hexadecimal.")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: tuple[Key, ...] = Field(min_length=1)


class Keys:
    """The keys that a server knows."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The keys of a file.

        Raises:
            ConfigError: it is missing, or says something else than keys, or the same name or key twice.
        """
        try:
            keys = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).key
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"The keys in {path} cannot be used ({place}: {first['msg']}): correct them.") from None
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The file of keys {path} cannot be read ({error}): make one with `penumbra keys new`."
            ) from error
        for field in ("name", "sha256"):
            if len({getattr(key, field) for key in keys}) < len(keys):
                raise ConfigError(f"The keys in {path} have a {field} twice: make another key.")
        return cls(keys)

    def find(self, shown: str) -> Key | None:
        """The key that was shown, or None; which of them it is like does not show in the time that this takes."""
        digest, found = _digest(shown), None
        for key in self._keys:
            if compare_digest(key.sha256, digest):
                found = key
        return found


def new_key() -> str:
    """A key of 256 random bits."""
    return _PREFIX + token_urlsafe(32)


def to_store(key: str, name: str, scopes: Sequence[Scope], rate: float, burst: int) -> str:
    """What stands for a new key in the file of keys.

    Raises:
        ConfigError: a name, rate or burst that a key cannot have.
    """
    try:
        known = Key(name=name, scopes=frozenset(scopes), rate=rate, burst=burst, sha256=_digest(key))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"A key cannot have this {first['loc'][0]} ({first['msg']}): choose another.") from None
    values = known.model_dump(mode="json") | {"scopes": sorted(known.scopes)}
    # JSON's strings, numbers and lists are TOML's too.
    return "\n".join(["[[key]]", *(f"{field} = {dumps(value)}" for field, value in values.items())])


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
