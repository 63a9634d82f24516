"""Requests and replies as values, before any library for HTTP sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from penumbra_client.errors import BadAnswerError, Problem, ProblemError, error_of

T = TypeVar("T")


@dataclass(frozen=True)
class Upload:
    """A file in a form."""

    content: bytes
    name: str = "picture"


@dataclass(frozen=True)
class Request:
    """What is sent. `path` is percent-encoded, below the server's address and the gallery's."""

    method: str
    path: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    form: tuple[tuple[str, str | Upload], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What comes back; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body; raises `BadAnswerError`."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise BadAnswerError(
                f"The server answered {self.status} with something that is no JSON: is it Penumbra?"
            ) from error

    def error(self) -> ProblemError:
        """What a reply of 400 or more is raised as, whoever wrote it: a proxy's body is no problem+json."""
        try:
            told = json.loads(self.body)
        except ValueError:
            told = None
        request_id = self.headers.get("x-request-id")
        return error_of(Problem.of(self.status, told if isinstance(told, dict) else {}, request_id))


@dataclass(frozen=True)
class Call(Generic[T]):
    """One question: what to send, and how to read what comes back.

    Args:
        request: what to send.
        read: the answer of a reply below 400.
        changes: whether it changes something, so that it must not be sent twice.
        of_gallery: whether it is asked of one gallery, not of the server.
    """

    request: Request
    read: Callable[[Reply], T]
    changes: bool = False
    of_gallery: bool = True
