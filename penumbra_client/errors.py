"""What can go wrong when a server is asked.

ClientError
├── UnreachableError        nobody answers, or the connection broke
├── BadAnswerError          what answers is not Penumbra, or one that this client cannot read
└── ProblemError            the server says no; with status, title, detail and request id
    ├── InvalidRequestError     400, 413, 415, 422 and the rest of 4xx
    ├── UnauthenticatedError    401
    ├── ForbiddenError          403
    ├── NotFoundError           404
    ├── ConflictError           409
    ├── OverloadedError         429, 503
    ├── DeadlineError           504
    └── ServerFailureError      the rest of 5xx
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


class ClientError(Exception):
    """A server could not be asked, or did not answer with what was asked for."""


class UnreachableError(ClientError):
    """Nobody answers, or the connection broke.

    Args:
        message: the sentence.
        sent: whether the server may have got the request.
    """

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class BadAnswerError(ClientError):
    """What answers is not Penumbra, or one that this client cannot read."""


@dataclass(frozen=True)
class Problem:
    """What a server says of an error (RFC 9457), and the id under which its log has the request."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    request_id: str | None = None

    @classmethod
    def of(cls, status: int, told: Mapping[str, Any], request_id: str | None) -> Problem:
        """From a parsed body, of which anything may be missing."""
        title, detail = str(told.get("title", f"HTTP status {status}")), str(told.get("detail", ""))
        return cls(status, title, detail, str(told.get("type", cls.type)), request_id)


class ProblemError(ClientError):
    """The server says no."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def title(self) -> str:
        """The kind of problem, in two or three words."""
        return self.problem.title

    @property
    def detail(self) -> str:
        """What is wrong and what to change, in a sentence."""
        return self.problem.detail

    @property
    def request_id(self) -> str | None:
        """Under which the server's log has the request."""
        return self.problem.request_id


class InvalidRequestError(ProblemError):
    """The request is not acceptable."""


class UnauthenticatedError(ProblemError):
    """The server wants a key that it knows."""


class ForbiddenError(ProblemError):
    """The key, or the server's settings, do not allow this."""


class NotFoundError(ProblemError):
    """There is no such item, or no such gallery."""


class ConflictError(ProblemError):
    """The gallery cannot be changed in this way, or not now."""


class OverloadedError(ProblemError):
    """The server has too much to do, or is not ready."""


class DeadlineError(ProblemError):
    """There was no answer in time."""


class ServerFailureError(ProblemError):
    """Something went wrong in the server; its log has it under the request id."""


_BY_STATUS: Final[Mapping[int, type[ProblemError]]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: OverloadedError,
    503: OverloadedError,
    504: DeadlineError,
}


def error_of(problem: Problem) -> ProblemError:
    """The error that a problem is raised as."""
    other = ServerFailureError if problem.status >= 500 else InvalidRequestError
    return _BY_STATUS.get(problem.status, other)(problem)
