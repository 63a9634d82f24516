"""What the fixture `open_page` gives, and how wide pages are opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

WIDE, PHONE = (1280, 900), (390, 844)
Open = Callable[..., Page]
"""Opens the page at a path; how wide, and what else a browser's context takes, may be told."""
