"""Where and how the service runs: from the environment (`PENUMBRA_…`), or from the command line through `read`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.threads import available
from models.errors import ConfigError
from models.runtimes.runtime import Runtime


class Limits(BaseModel):
    """The most that one request, and all requests together, may ask for. `/info` lists them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(default=20 * 1024 * 1024, ge=1, description="Bytes of a request's body.")
    pixels: int = Field(default=50_000_000, ge=1, description="Pixels of a picture, width × height.")
    characters: int = Field(default=1000, ge=1, description="Characters of a text.")
    top_k: int = Field(default=1000, ge=1, description="Answers to one search, or items on one page of a list.")
    shortlist: int = Field(default=5000, ge=1, description="Items that one search gives a probability.")
    samples: int = Field(default=64, ge=1, description="Samples a side of a sampled match probability.")
    batch: int = Field(default=32, ge=1, description="Texts that are encoded at once.")
    picture_batch: int = Field(default=4, ge=1, description="Pictures that are encoded at once.")
    queue: int = Field(default=64, ge=1, description="Queries in the server at once, waiting ones included.")
    deadline_seconds: float = Field(default=30, gt=0, description="Seconds until an unfinished query is given up.")


class Settings(BaseSettings):
    """One server. A limit is set as `PENUMBRA_LIMITS__TOP_K=100`."""

    model_config = SettingsConfigDict(env_prefix="PENUMBRA_", env_nested_delimiter="__", frozen=True, extra="forbid")

    gallery: Path = Field(description="The gallery's folder.")
    model: Path | None = Field(default=None, description="The model's folder; by default the one the gallery names.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    threads: int = Field(default_factory=available, ge=1, description="Threads of one computation.")
    runtime: Literal["auto"] | Runtime = Field(
        default="auto", description="What computes the model's networks; auto is the fastest that agrees with torch."
    )
    limits: Limits = Limits()


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
        raise ConfigError(
            f"The setting {name} (in the environment PENUMBRA_{name.upper()}) is not acceptable: {first['msg']}."
        ) from error
