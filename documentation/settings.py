"""The page of the service's settings, from `service/settings.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from documentation.markdown import code, generated, table
from service.settings import Compaction, Limits, Settings

INTRODUCTION: Final = """\
From the environment or, where [`penumbra serve --help`](commands.md#penumbra-serve) shows one, from the command line.
`/info` lists the limits. Lists and tables are written as JSON. What to set where is in
[Operations](../operations.md).
"""
PARTS: Final = (
    ("The server", Settings, "PENUMBRA_"),
    ("When a changed gallery is built anew", Compaction, "PENUMBRA_COMPACTION__"),
    ("The most that one request, and all together, may ask for", Limits, "PENUMBRA_LIMITS__"),
)


def page() -> str:
    """One table for each part."""
    parts = (f"\n## {title}\n\n{_table(kind, prefix)}" for title, kind, prefix in PARTS)
    return generated("Settings", "service/settings.py", INTRODUCTION.rstrip()) + "".join(parts)


def _table(kind: type[BaseModel], prefix: str) -> str:
    return table(("setting", "default", "what"), _rows(kind, prefix))


def _rows(kind: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str | None]]:
    for name, field in kind.model_fields.items():
        if not isinstance(field.default, BaseModel):
            yield code(f"{prefix}{name.upper()}"), default(field), field.description


def default(field: FieldInfo) -> str:
    """What holds without a setting."""
    if field.is_required():
        return "must be set"
    if field.default_factory is not None:
        return "the machine's"
    value = field.get_default()
    if value is None or value in ((), {}):
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value > 9999 else str(value)
