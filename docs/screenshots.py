"""Makes the pictures of the page that these documents show, from a running service: `make screenshots`.

    python docs/screenshots.py http://127.0.0.1:8000

The service must show the Scenes demo (`make serve`). Chromium draws them: they are the page as a reader sees it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

HERE: Final = Path(__file__).resolve().parent
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
DESCRIBED: Final = "/?text=a+little+angular+shape+at+the+top+right+at+dusk"


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        address = sys.argv[1].rstrip("/")
        _search(browser, address)
        _why(browser, address)
        _plane(browser, address)
        _nothing(browser, address)
        browser.close()


def _search(browser: Browser, address: str) -> None:
    page = _opened(browser, address + DESCRIBED, WIDE, "light")
    page.wait_for_selector(".words p")
    _save(page, "search")


def _why(browser: Browser, address: str) -> None:
    page = _opened(browser, address + DESCRIBED, WIDE, "dark")
    page.wait_for_selector(".words p")
    page.locator(".card .about button").first.click()
    page.get_by_role("radio", name="to say how unsure it is").check()
    page.wait_for_selector("dialog canvas")
    _save(page, "why")


def _plane(browser: Browser, address: str) -> None:
    page = _opened(browser, f"{address}/?text=something+red&as=plane", WIDE, "light")
    page.wait_for_selector(".plane ellipse")
    _save(page, "plane")


def _nothing(browser: Browser, address: str) -> None:
    page = _opened(browser, f"{address}/?text=three+purple+kitchens", PHONE, "dark")
    page.wait_for_selector(".nothing")
    _save(page, "nothing")


def _opened(browser: Browser, url: str, size: dict[str, int], scheme: str) -> Page:
    context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    page.goto(url)
    return page


def _save(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=HERE / f"{name}.png")
    print(HERE / f"{name}.png")


if __name__ == "__main__":
    main()
