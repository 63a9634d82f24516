"""The site builds without a warning, and a page of it asks nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from documentation.__main__ import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it, elsewhere."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "docs", folder / "docs")
    settings = (ROOT / "zensical.toml").read_text()
    assert 'paths = ["."]' in settings
    (folder / "zensical.toml").write_text(settings.replace('paths = ["."]', f'paths = ["{ROOT}"]'))
    command = [Path(sys.executable).parent / "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


def test_every_page_is_there(site: Path) -> None:
    """One for each file of Markdown, with its pictures."""
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    pictures = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.png")]
    assert [str(path) for path in [*pages, *pictures] if not (site / path).is_file()] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No script, style, font, picture or frame of another host; links may lead there."""
    loads = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?https?:|<link[^>]*href=\"?https?:[^>]*>")
    asked = {found for page in site.rglob("*.html") for found in loads.findall(page.read_text())}
    # Where the page itself lies, for search engines: never loaded.
    assert {link for link in asked if 'rel="canonical"' not in link} == set()
    styles = [path.name for path in site.rglob("*.css") if re.search(r"url\([\"']?https?:|@import", path.read_text())]
    assert styles == []


def test_docstrings_fill_the_pages_of_the_python_api(site: Path) -> None:
    """A function with its formula, as its docstring has it."""
    page = (site / "reference" / "python" / "models.html").read_text()
    assert "2-Wasserstein distance" in page and 'id="models.distances.wasserstein_squared"' in page
