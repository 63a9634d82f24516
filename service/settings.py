"""Where and how the service runs: from the environment (`PENUMBRA_…`), or from the command line through `read`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from index.threads import available
from models.errors import ConfigError
from models.runtimes.runtime import Runtime

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
GalleryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Limits(BaseModel):
    """The most that one request, and all requests together, may ask for. `/info` lists them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(default=20 * 1024 * 1024, ge=1, description="Bytes of a request's body.")
    pixels: int = Field(default=50_000_000, ge=1, description="Pixels of a picture, width × height.")
    characters: int = Field(default=1000, ge=1, description="Characters of a text.")
    words: int = Field(default=32, ge=1, description="Words of a text that are weighed one by one.")
    top_k: int = Field(default=1000, ge=1, description="Answers to one search, or items on one page of a list.")
    shortlist: int = Field(default=5000, ge=1, description="Items that one search gives a probability.")
    samples: int = Field(default=64, ge=1, description="Samples a side of a sampled match probability.")
    batch: int = Field(default=32, ge=1, description="Texts that are encoded at once.")
    picture_batch: int = Field(default=4, ge=1, description="Pictures that are encoded at once.")
    changes: int = Field(default=256, ge=1, description="Items in one change.")
    queue: int = Field(default=64, ge=1, description="Queries in the server at once, waiting ones included.")
    first_queue: int = Field(default=8, ge=1, description="The same at first, and whenever few are refused.")
    slowdown: float = Field(
        default=2,
        gt=1,
        allow_inf_nan=False,
        description="How many times as long as alone a query may take before fewer are let in.",
    )
    deadline_seconds: float = Field(default=30, gt=0, description="Seconds until an unfinished query is given up.")
    requests: int = Field(default=128, ge=1, description="Requests in the server at once, unfinished bodies included.")
    connections: int = Field(default=1000, ge=1, description="Connections at once, idle ones included.")
    headers: int = Field(default=100, ge=1, description="Headers of a request.")
    header_bytes: int = Field(default=16384, ge=256, description="Bytes of a request's path, query and headers.")
    head_seconds: float = Field(default=10, gt=0, description="Seconds until a head that is not whole is given up.")
    body_seconds: float = Field(
        default=30, gt=0, description="Seconds until a body that is not whole, or an answer not taken, is given up."
    )
    keep_alive_seconds: int = Field(default=5, ge=1, description="Seconds that an idle connection is kept.")
    shutdown_seconds: int = Field(default=31, ge=0, description="Seconds to finish requests in when told to stop.")


class Compaction(BaseModel):
    """When a gallery that was changed is built anew with its changes: when these reach both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changes: int = Field(default=1000, ge=1, description="Items added and removed since the gallery was built.")
    share: float = Field(default=0.02, ge=0, description="The same as a share of the gallery's items.")


class Settings(BaseSettings):
    """One server. A limit is set as `PENUMBRA_LIMITS__TOP_K=100`."""

    model_config = SettingsConfigDict(env_prefix="PENUMBRA_", env_nested_delimiter="__", frozen=True, extra="forbid")

    gallery: Path = Field(description="The folder of the gallery that answers requests which name none.")
    gallery_name: GalleryName = Field(default="default", description="The name of that gallery.")
    galleries: Mapping[GalleryName, Path] = Field(
        default={}, description='Folders of further galleries by name, as {"shoes": "galleries/shoes"}.'
    )
    model: Path | None = Field(
        default=None, description="The folder of the first gallery's model; by default the one that it names."
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    threads: int = Field(
        default_factory=available, ge=1, description="Threads that encode pictures; texts and searches take one each."
    )
    runtime: Literal["auto"] | Runtime = Field(
        default="auto", description="What computes the model's networks; auto is the fastest that agrees with torch."
    )
    writable: bool = Field(default=False, description="Let requests change galleries.")
    compaction: Compaction = Field(
        default=Compaction(), description="When changed galleries are built anew; each below."
    )
    keys: Path | None = Field(
        default=None, description="A file of API keys, made with `penumbra keys new`; without it everybody is let in."
    )
    insecure: bool = Field(default=False, description="Listen on any address without keys.")
    metrics_scope: Literal["none", "read", "admin"] = Field(
        default="read", description="The scope that /metrics needs where there are keys."
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description='Other sites that may ask, as ["https://shop.example"]; none by default.'
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description='Names to answer to beside this machine\'s own, as ["shop.example"]; without them any, but on '
        "127.0.0.1 none.",
    )
    log_queries: bool = Field(default=False, description="Whether the log tells the texts that were asked.")
    traces: str | None = Field(
        default=None, description="Where OpenTelemetry spans go, as http://127.0.0.1:4318/v1/traces (extra `tracing`)."
    )
    limits: Limits = Field(default=Limits(), description="The most that may be asked for; each below.")

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for each in origins:
            parts = urlsplit(each)
            if parts.scheme not in ("http", "https") or each != f"{parts.scheme}://{parts.netloc}" or "*" in each:
                raise ValueError(f"{each!r} is no origin such as https://shop.example")
        return origins

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for each in hosts:
            if not (_is_address(each) or _NAME.fullmatch(each)):
                raise ValueError(f"{each!r} is no name such as shop.example, in small letters and without a port")
        return hosts

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        if self.gallery_name in self.galleries:
            raise ValueError(f"two galleries have the name {self.gallery_name!r}")
        return self


def _is_address(name: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def read(**given: Any) -> Settings:
    """The settings given here (None counts as not given), then those of the environment, then the defaults.

    Raises:
        ConfigError: one of them is missing, unknown or out of range; the message names it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "__".join(str(part) for part in first["loc"])
        if not name:
            raise ConfigError(f"The settings do not go together: {first['ctx']['error']}.") from error
        raise ConfigError(
            f"The setting {name} (in the environment PENUMBRA_{name.upper()}) is not acceptable: {first['msg']}."
        ) from error
    except SettingsError as error:
        raise ConfigError(f"A setting in the environment must be JSON and is not: {error}.") from error
