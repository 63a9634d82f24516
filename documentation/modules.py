"""The pages of the Python API: one a package, for mkdocstrings to fill from the docstrings."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from documentation.markdown import code, generated, table

ROOT: Final = Path(__file__).resolve().parents[1]
WEB: Final = "service.web"
"""Holds the page alone."""


def pages() -> Mapping[str, str]:
    """The text of the page of each package at the top, and of the one that lists them."""
    found = {package: modules(package) for package in packages()}
    return {"packages": _index(found), **{name: _page(name, inside) for name, inside in found.items()}}


def packages() -> list[str]:
    """Those at the top, from the lowest layer up."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [name for name in project["tool"]["setuptools"]["packages"] if "." not in name]


def modules(package: str) -> Mapping[str, str]:
    """The first line of each module's docstring by its name."""
    paths = sorted((ROOT / package).rglob("*.py"))
    named = {_name(path): _summary(path) for path in paths}
    return {name: summary for name, summary in named.items() if summary and name != WEB}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _summary(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")


def _index(found: Mapping[str, Mapping[str, str]]) -> str:
    introduction = "The packages from the lowest layer up; an import may only point to those above it in this table."
    rows = [(f"[`{name}`]({name}.md)", len(inside), inside.get(name, "")) for name, inside in found.items()]
    head = generated("Python API", "the packages", introduction)
    return head + "\n" + table(("package", "modules", "what"), rows)


def _page(package: str, inside: Mapping[str, str]) -> str:
    listed = table(("module", "what"), ((code(name), summary) for name, summary in inside.items()))
    filled = "".join(f"\n::: {name}\n" for name in inside)
    return generated(package, f"{package}/", inside.get(package, "")) + f"\n{listed}{filled}"
