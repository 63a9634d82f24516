"""What the page says when things are slow, wrong or gone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from opening import Open
from playwright.sync_api import Page, Route, expect

SEARCH = "**/search/text-to-image"
ASKED = "/?text=something+red"


def answered(page: Page, status: int, detail: str = "", **headers: str) -> None:
    """Let all searches be answered like this."""

    def answer(route: Route) -> None:
        body = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
        route.fulfill(status=status, json=body, headers=headers)

    page.route(SEARCH, answer)


def test_offline_is_said_and_mended_by_itself(open_page: Open) -> None:
    """Without the server the page says so; it asks again by itself and shows the results when it is back."""
    page = open_page(quiet=False)
    page.route(re.compile("/(search|healthz)"), lambda route: route.abort())
    page.get_by_role("searchbox").fill("something red")
    expect(page.locator("#status")).to_contain_text("cannot be reached")
    page.unroute_all()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator("#status")).not_to_contain_text("cannot be reached")


def test_a_full_server_is_asked_again_when_it_says(open_page: Open) -> None:
    """One 429 with Retry-After is waited out, without a word of error."""
    page = open_page(quiet=False)
    refusals = []

    def refuse_once(route: Route) -> None:
        if refusals:
            route.continue_()
        else:
            refusals.append(route.request.url)
            route.fulfill(status=429, json={"detail": "full"}, headers={"Retry-After": "1"})

    page.route(SEARCH, refuse_once)
    page.get_by_role("searchbox").fill("something red")
    expect(page.locator(".card").first).to_be_visible()
    assert len(refusals) == 1


def test_slowness_is_said(open_page: Open) -> None:
    """After a while the page says that it waits, and that it waits long; it stops saying so with the answer."""
    page = open_page()
    held: list[Route] = []
    page.route(SEARCH, lambda route: held.append(route))
    expect(page.locator(".chip").first).to_be_visible()
    # The page's own clock: a busy machine looks too late.
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(hours=1))
    page.get_by_role("searchbox").fill("something red")
    page.clock.run_for(1_000)
    expect(page.locator("#status")).to_have_text("Searching…")
    page.clock.run_for(3_000)
    expect(page.locator("#status")).to_contain_text("Still searching")
    held[0].continue_()
    expect(page.locator("#status")).to_contain_text("results")


def test_a_refusal_is_told_in_the_servers_words(open_page: Open) -> None:
    """What the caller can mend is told as the server tells it; the question stays in the box."""
    page = open_page(quiet=False)
    answered(page, 422, "The text has 2,000 characters.")
    page.get_by_role("searchbox").fill("something red")
    expect(page.locator("#status")).to_contain_text("The text has 2,000 characters.")
    expect(page.get_by_role("searchbox")).to_have_value("something red")


def test_a_failure_offers_another_try(open_page: Open) -> None:
    """A bug of the server is told as one; "Try again" asks again."""
    page = open_page(quiet=False)
    answered(page, 500, "Request id abc.")
    page.get_by_role("searchbox").fill("something red")
    expect(page.locator("#status")).to_contain_text("Request id abc.")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card").first).to_be_visible()


def test_a_missing_key_is_told(open_page: Open) -> None:
    """401 says what to do."""
    page = open_page(quiet=False)
    answered(page, 401)
    page.get_by_role("searchbox").fill("something red")
    expect(page.locator("#status")).to_contain_text("wants a key")


def test_what_comes_from_the_server_is_only_text(open_page: Open) -> None:
    """Markup in a query, as the server gives it back, is shown as it was written and does nothing."""
    page = open_page("/?text=%3Cimg+src%3Dx+onerror%3Ddocument.title%3D1%3E+red")
    expect(page.locator("#query .echo")).to_have_text("<img src=x onerror=document.title=1> red")
    assert page.locator("#query .echo img").count() == 0


def test_an_upload_is_gone_after_a_reload(open_page: Open, picture: str) -> None:
    """The page says that the picture is not kept, instead of showing nothing."""
    page = open_page()
    page.locator("#image").set_input_files(picture)
    expect(page.locator(".card.text").first).to_be_visible()
    page.reload()
    expect(page.locator("#status")).to_contain_text("not kept over a reload")
