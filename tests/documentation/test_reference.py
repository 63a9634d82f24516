"""docs/reference says what the program has, all of it, and lists and navigation are whole."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from documentation.__main__ import REFERENCE, ROOT, pages_of
from documentation.sample import Sample
from service.app import create_app
from service.settings import Compaction, Limits, Settings

DOCS = ROOT / "docs"


def written(name: str) -> str:
    return (REFERENCE / name).read_text()


def commands(command: Any, name: str = "penumbra") -> Iterator[tuple[str, Any]]:
    """Every command by its whole name."""
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {part}")


def nav(entry: Any) -> Iterator[str]:
    """The pages of the navigation."""
    if isinstance(entry, str):
        yield entry
    for part in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from nav(part)


def test_it_is_what_the_program_says_today(sample: Sample) -> None:
    """Each page is on disk as it is written now, and there is no other: `make docs` brings them up to date."""
    now = pages_of(sample)
    there = {path.relative_to(REFERENCE).as_posix(): path.read_text() for path in REFERENCE.rglob("*.md")}
    assert sorted(there) == sorted(now)
    assert [name for name in now if there[name] != now[name]] == [], "run `make docs`"


def test_every_command_and_option_is_there() -> None:
    """By the tree of commands itself, each in its own section."""
    sections = re.split(r"^#+ `(penumbra[^`]*)`$", written("commands.md"), flags=re.MULTILINE)
    told = dict(zip(sections[1::2], sections[2::2], strict=True))
    found = dict(commands(typer.main.get_command(app)))
    assert set(told) == set(found)
    missing = [
        (name, option)
        for name, command in found.items()
        for parameter in command.params
        for option in ([parameter.metavar] if getattr(parameter, "metavar", None) else parameter.opts)
        if not re.search(rf"`[^`]*{re.escape(option)}[^`]*`", told[name])
    ]
    assert missing == []


def test_every_setting_is_there() -> None:
    """Under the name that the environment has for it."""
    parts = ((Settings, "PENUMBRA_"), (Compaction, "PENUMBRA_COMPACTION__"), (Limits, "PENUMBRA_LIMITS__"))
    names = [f"{prefix}{name}".upper() for kind, prefix in parts for name in kind.model_fields]
    text = written("settings.md")
    assert [name for name in names if f"`{name}`" not in text and f"`{name}__" not in text] == []


def test_every_route_is_there(sample: Sample) -> None:
    """By the application's own routes: those of the OpenAPI document, and no other."""
    application = create_app(Settings(gallery=sample.folder / "gallery", threads=1))
    documented = application.openapi()["paths"]
    routes = {
        f"### {method.upper()} {path}"
        for path, methods in documented.items()
        for method in methods
        if not path.startswith("/galleries/{gallery}/")
    }
    assert routes == set(re.findall(r"^### [A-Z]+ /.*$", written("http.md"), flags=re.MULTILINE))


def test_every_metric_is_there(sample: Sample) -> None:
    """By what a server that has answered tells, under its names there."""
    names = {family.name for family in sample.metrics if not family.name.endswith("_created")}
    text = written("metrics.md")
    assert names and [name for name in names if f"`{name}`" not in text] == []


def test_every_file_of_a_gallery_and_a_model_is_there(sample: Sample) -> None:
    """And every field at the top of the manifest."""
    text = written("artifacts.md")
    manifest = json.loads((sample.folder / "gallery" / "manifest.json").read_text())
    names = [re.sub(r"^(image|text)\.", "M.", name) for name in manifest["files"]]
    assert [name for name in {*names, *manifest} - {"schema", "sha256"} if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "package", ["models", "corpus", "index", "evaluation", "training", "service", "penumbra_client", "cli"]
)
def test_every_public_module_is_there(package: str) -> None:
    """Each module that is not private and holds something is told of and filled from its docstrings."""
    paths = [path for path in (ROOT / package).rglob("*.py") if "/web/" not in path.as_posix()]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    text = written(f"python/{package}.md")
    assert [name for name in names if f"::: {name}\n" not in text] == []


def test_every_page_is_in_the_navigation() -> None:
    """But for decisions, which have a page that lists them all with a sentence."""
    listed = set(nav(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    decisions = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("adr/*.md")}
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert listed == there - decisions
    assert set(re.findall(r"\((adr/[^)]*)\)", (DOCS / "decisions.md").read_text())) == decisions


def test_numbers_of_the_figures_are_those_of_the_page() -> None:
    """What docs/pictures.md says of a figure is what was computed when it was drawn."""
    numbers = json.loads((DOCS / "figures" / "numbers.json").read_text())
    text = " ".join((DOCS / "pictures.md").read_text().split())
    assert [told for figure in numbers.values() for told in figure.values() if told not in text] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/index.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Those to files of the repository."""
    path = ROOT / name
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    assert [link for link in links if "://" not in link and not Path(path.parent, link).exists()] == []
