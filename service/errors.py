"""What can go wrong with a request, the one table from error class to status, and RFC 9457 problem+json.

PenumbraError
├── InputError              (models.errors) a query is not acceptable
│   ├── ImageError, TextError
│   ├── ChangeError         (models.errors) the gallery cannot be changed in this way
│   │   └── UnknownIdError  it names an item that is not there
│   ├── UnsupportedError    (models.errors) the store of the gallery cannot do this
│   ├── LimitError          it asks for more than a limit allows
│   ├── WrongModalityError  the item is of the other modality
│   └── GalleryChoiceError  path and body name two galleries
├── LockedError             (models.errors) another process changes the gallery
├── UnavailableError        (models.errors) the store of the gallery does not answer
├── UnknownItemError        there is no item of this id
├── UnknownGalleryError     there is no gallery of this name
├── UnauditedError          nobody has looked for what is odd in the gallery
├── ReadOnlyError           the server was not told to change galleries
├── StorageError            a change could not be put on the disk
├── SwapRefusedError        what lies in a gallery's folder cannot be served
├── UnsupportedBodyError    a body that is neither JSON nor a form
├── HeadTooLargeError       more headers, or bytes of them, than a request may have
├── BodyTooLargeError       more bytes than a body may have
├── SlowBodyError           a body that does not come whole
├── UnknownHostError        the server was asked for by a name that is not its own
├── UnauthenticatedError    no key, or none that is known
├── ForbiddenError          the key does not open this
├── RateError               the key has asked more often than it may
├── OverloadedError         as many queries as the server takes are on their way
├── DeadlineError           the answer was not ready in time
└── NotReadyError           the server is still warming up
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from math import ceil
from typing import Any, Final, Self

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.errors import (
    ChangeError,
    ImageError,
    InputError,
    LockedError,
    PenumbraError,
    TextError,
    UnavailableError,
    UnknownIdError,
    UnsupportedError,
)


class LimitError(InputError):
    """A request asks for more than a limit allows."""


class WrongModalityError(InputError):
    """An item is a picture where a text is needed, or the other way round."""


class GalleryChoiceError(InputError):
    """The path of a request names one gallery and its body another."""


class UnknownItemError(PenumbraError):
    """The gallery has no item of this id."""


class UnknownGalleryError(PenumbraError):
    """The server has no gallery of this name."""


class UnauditedError(PenumbraError):
    """A gallery has no audit that can be read."""


class ReadOnlyError(PenumbraError):
    """A change is asked of a server that was not told to make any."""


class StorageError(PenumbraError):
    """A change could not be put on the disk, and was not made."""


class UnsupportedBodyError(PenumbraError):
    """A body is neither JSON nor a form."""


class SwapRefusedError(PenumbraError):
    """What lies in a gallery's folder cannot be served; what was served goes on."""


class HeadTooLargeError(PenumbraError):
    """A request's head has more headers, or more bytes, than are allowed."""


class BodyTooLargeError(PenumbraError):
    """A request's body has more bytes than are allowed."""


class SlowBodyError(PenumbraError):
    """A request's body has not come whole in the time that the server waits."""


class UnknownHostError(PenumbraError):
    """A request asks for the server by a name that it does not answer to."""


class UnauthenticatedError(PenumbraError):
    """A request shows no key that is known."""


class ForbiddenError(PenumbraError):
    """What a request shows does not open what it asks for."""


class RateError(PenumbraError):
    """A key has asked more often than it may.

    Args:
        message: the sentence.
        seconds: until it may ask again.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class OverloadedError(PenumbraError):
    """As many queries as the server takes are on their way."""


class DeadlineError(PenumbraError):
    """An answer was not ready in time."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The error of a query that was given so many seconds."""
        return cls(f"The answer was not ready within {seconds:g} seconds; try again when the server is less busy.")


class NotReadyError(PenumbraError):
    """The server is still warming up."""


@dataclass(frozen=True)
class Kind:
    """How a class of errors is answered: status, title (one for all of a type), headers."""

    status: HTTPStatus
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The URI that names the kind for programs; it is not meant to be opened."""
        return "urn:penumbra:problem:" + self.title.lower().replace(" ", "-")


def sentence(error: Exception) -> str:
    """What is told of an error that is no answer to a request."""
    unforeseen = "Something went wrong that nobody foresaw; the server's log has it."
    return str(error) if isinstance(error, PenumbraError) else unforeseen


INVALID: Final = Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request")
BUG: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")
_LATER: Final = {"Retry-After": "1"}
# Bearer for programs; Basic, so that a browser asks for the key (as password) and shows the page.
_CHALLENGES: Final = {"WWW-Authenticate": 'Bearer realm="penumbra", Basic realm="penumbra", charset="UTF-8"'}

KINDS: Final[Mapping[type[Exception], Kind]] = {
    TextError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unacceptable text"),
    ImageError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unacceptable picture"),
    LimitError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Limit exceeded"),
    UnsupportedError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Not supported"),
    WrongModalityError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Wrong modality"),
    GalleryChoiceError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Two galleries named"),
    RequestValidationError: INVALID,
    UnknownItemError: Kind(HTTPStatus.NOT_FOUND, "Unknown item"),
    UnknownGalleryError: Kind(HTTPStatus.NOT_FOUND, "Unknown gallery"),
    UnauditedError: Kind(HTTPStatus.NOT_FOUND, "Not audited"),
    UnknownIdError: Kind(HTTPStatus.NOT_FOUND, "Unknown item"),
    ChangeError: Kind(HTTPStatus.CONFLICT, "Change refused"),
    LockedError: Kind(HTTPStatus.CONFLICT, "Gallery locked", _LATER),
    ReadOnlyError: Kind(HTTPStatus.FORBIDDEN, "Read only"),
    StorageError: Kind(HTTPStatus.INSUFFICIENT_STORAGE, "Change not stored"),
    UnsupportedBodyError: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported body"),
    SwapRefusedError: Kind(HTTPStatus.CONFLICT, "Swap refused"),
    HeadTooLargeError: Kind(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Head too large"),
    BodyTooLargeError: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large"),
    SlowBodyError: Kind(HTTPStatus.REQUEST_TIMEOUT, "Body too slow", {"Connection": "close"}),
    UnknownHostError: Kind(HTTPStatus.MISDIRECTED_REQUEST, "Unknown host"),
    UnauthenticatedError: Kind(HTTPStatus.UNAUTHORIZED, "Key needed", _CHALLENGES),
    ForbiddenError: Kind(HTTPStatus.FORBIDDEN, "Not allowed"),
    RateError: Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", _LATER),
    OverloadedError: Kind(HTTPStatus.TOO_MANY_REQUESTS, "Overloaded", _LATER),
    DeadlineError: Kind(HTTPStatus.GATEWAY_TIMEOUT, "Deadline exceeded"),
    UnavailableError: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Store unavailable", _LATER),
    NotReadyError: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready", _LATER),
}
"""The one table from error class to status."""


def problem(error: Exception) -> Response:
    """The answer to an error of `KINDS` or of the routing itself; raises `KeyError` for any other."""
    if isinstance(error, HTTPException):
        return _routing_problem(error)
    kind = KINDS[type(error)]
    if isinstance(error, RateError):
        kind = replace(kind, headers={"Retry-After": str(ceil(error.seconds))})
    if isinstance(error, RequestValidationError):
        found = [_invalid(each) for each in error.errors()]
        return _render(kind, " ".join(each["message"] for each in found), errors=found)
    return _render(kind, str(error))


def bug(request_id: str) -> Response:
    """The answer to an error that nobody foresaw."""
    detail = "Something went wrong in the server; report it with this request id, under which it was logged."
    return _render(BUG, detail, request_id=request_id)


def _routing_problem(error: HTTPException) -> Response:
    """Unknown paths, wrong methods, bodies that cannot be parsed: the status phrase says all (RFC 9457, 4.2.1)."""
    status = HTTPStatus(error.status_code)
    kind = Kind(status, status.phrase, error.headers or {})
    detail = _ROUTING.get(status) or error.detail
    return _render(kind, detail)


_ROUTING: Final = {
    HTTPStatus.BAD_REQUEST: "The body cannot be parsed; send JSON in UTF-8, or a form as /docs shows it.",
    HTTPStatus.NOT_FOUND: "There is no such route; /docs lists those there are.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This route has other methods; the header Allow names them.",
}


def _render(kind: Kind, detail: str, **more: Any) -> Response:
    content = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status.value,
        "detail": detail,
        **more,
    }
    # ASCII, because a message may quote half of a surrogate pair from the request.
    body = json.dumps(content, ensure_ascii=True)
    return Response(body, kind.status, dict(kind.headers), "application/problem+json")


def _invalid(error: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with which field, as one sentence."""
    place = ".".join(str(part) for part in error["loc"][1:])
    field = "" if error["type"] == "json_invalid" else place
    return {"field": field, "message": _sentence(error, place)}


def _sentence(error: Mapping[str, Any], place: str) -> str:
    match error["type"]:
        case "value_error" if "UploadFile" in error["msg"]:
            return f"The field {place!r} must be a file; send it as a part of multipart/form-data with a filename."
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing" if place:
            return f"The field {place!r} is missing; add it."
        case "missing" | "model_attributes_type" | "model_type" | "dict_type":
            return "The body must be a JSON object; send one with Content-Type: application/json."
        case "json_invalid":
            return f"The body is not JSON ({error['ctx']['error']} at character {place}); correct it."
        case _:
            wanted = str(error["msg"]).removeprefix("Input ").removeprefix("Value error, ")
            return f"The field {place!r} {wanted}."
