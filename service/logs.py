"""The log: one JSON object a line, one line a request; of what was asked nothing unless a setting says so."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

REQUESTS: Final = logging.getLogger("penumbra.requests")

# `json.dumps` would make a new one for each line.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, default=str)
_NOTES: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, its fields, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII, because a text may hold half of a surrogate pair, or what a terminal would obey.
        return _ENCODER.encode(line)


def configuration() -> dict[str, Any]:
    """For `logging.config.dictConfig`: all loggers in JSON on stderr, but for uvicorn's own lines of requests."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {"uvicorn.access": {"level": "WARNING"}},
    }


def begin() -> dict[str, Any]:
    """Where what is noted while a request is answered will stand."""
    notes: dict[str, Any] = {}
    _NOTES.set(notes)
    return notes


def note(**fields: Any) -> None:
    """Add fields to the line of the request that is being answered; nothing where there is none."""
    notes = _NOTES.get()
    if notes is not None:
        notes.update(fields)


def request(fields: dict[str, Any]) -> None:
    """Write the line of a request."""
    REQUESTS.info("request", extra={"fields": fields})
