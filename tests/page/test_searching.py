"""Searching with the page, as a reader does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from opening import Open
from playwright.sync_api import Page, Request, expect

ASKED = "/?text=something+red"


def searches(page: Page) -> list[str]:
    """Bodies of the searches that the page sends from now on."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if "/search/" in request.url:
            sent.append(request.post_data or "")

    page.on("request", note)
    return sent


def answer(page: Page, path: str) -> dict[str, Any]:
    """What the page got for a search when it goes to this path."""
    with page.expect_response(re.compile("/search/")) as got:
        page.goto(re.sub(r"(?<=\d)/.*", "", page.url) + path)
    found: dict[str, Any] = got.value.json()
    return found


def test_pictures_come_as_typing_pauses(open_page: Open) -> None:
    """A sentence typed letter by letter is asked for once, when it rests, without Enter; the address then has it."""
    page = open_page()
    sent = searches(page)
    # The page's own clock: a busy machine types slowly.
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(hours=1))
    page.get_by_role("searchbox").press_sequentially("something red", delay=10)
    page.clock.run_for(299)
    assert not sent
    page.clock.run_for(2)
    expect(page.get_by_role("listitem").filter(has=page.locator("img")).first).to_be_visible()
    assert len(sent) == 1 and "something red" in sent[0]
    assert "text=something+red" in page.url


def test_back_returns_to_the_search_before(open_page: Open) -> None:
    """Typing, then following a result, then Back: the typed search is there again, box and results."""
    page = open_page(ASKED)
    page.locator(".card .shot").first.click()
    expect(page).to_have_url(re.compile("image_id="))
    expect(page.locator(".card.text").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("something red")
    expect(page.locator(".card .shot").first).to_be_visible()


def test_letters_of_one_sentence_are_one_step_back(open_page: Open) -> None:
    """However often a sentence was asked for while it was typed, one step back leaves it."""
    page = open_page(ASKED)
    box = page.get_by_role("searchbox")
    for text in ("a star", "a star at", "a star at night"):
        box.fill(text)
        expect(page).to_have_url(re.compile(re.escape(text.replace(" ", "+"))))
    page.go_back()
    expect(box).to_have_value("something red")


def test_results_show_what_the_service_answers(open_page: Open) -> None:
    """Percentages, errors and order are those of the answer, and the ring is filled as far."""
    page = open_page()
    found = answer(page, ASKED)
    cards = page.locator(".card")
    expect(cards).to_have_count(len(found["results"]))
    for at, hit in enumerate(found["results"][:5]):
        told = float(cards.nth(at).get_attribute("data-probability") or "")
        assert told == hit["match_probability"]
        dashes = cards.nth(at).locator(".filled").get_attribute("stroke-dasharray") or ""
        filled, whole = map(float, dashes.split())
        assert abs(filled / whole - told) < 1e-3


def test_the_line_stands_where_the_threshold_is(open_page: Open) -> None:
    """All above the line reach the threshold, none below it; the slider moves the line and asks nothing."""
    page = open_page("/?text=a+large+red+star&threshold=20")
    expect(page.locator(".card").first).to_be_visible()
    sent = searches(page)
    for threshold in (20, 35):
        page.get_by_role("slider").fill(str(threshold))
        items = page.locator("ol.results > li")
        states = items.evaluate_all("all => all.map(li => li.matches('.line') ? 'line' : +li.dataset.probability)")
        at = states.index("line")
        assert all(each >= threshold / 100 for each in states[:at])
        assert all(each < threshold / 100 for each in states[at + 1 :])
        expect(page.locator(".line")).to_have_text(f"Below {threshold}%")
        expect(page).to_have_url(re.compile(f"threshold={threshold}"))
    assert not sent


def test_nothing_matches_is_said(open_page: Open) -> None:
    """A query unlike the model's: said as such, with the reason and the words that are not known."""
    page = open_page("/?text=three+purple+kitchens+quarrelling")
    expect(page.get_by_role("heading", name="Nothing here matches.")).to_be_visible()
    expect(page.get_by_text("The model has never seen these words")).to_contain_text("“quarrelling”")


def test_expected_matches_are_told(open_page: Open) -> None:
    """As many as the answer says."""
    page = open_page()
    found = answer(page, "/?text=a+large+red+star")
    told = page.locator("#answer > strong")
    expect(told).to_contain_text(f"{found['expected_matches']:.{1 if found['expected_matches'] < 10 else 0}f}")


def test_a_picked_picture_finds_captions(open_page: Open, picture: Path) -> None:
    """Captions appear for a file, each set of words once; Back and forward keep the picture."""
    page = open_page()
    page.locator("#image").set_input_files(picture)
    expect(page.locator(".card.text").first).to_be_visible()
    texts = page.locator(".card.text .said").evaluate_all("all => all.map(a => a.firstChild.textContent)")
    assert len(texts) == len(set(texts)) > 1
    page.go_back()
    expect(page.locator("#start")).to_be_visible()
    page.go_forward()
    expect(page.locator(".card.text").first).to_be_visible()


def test_captions_of_the_same_words_are_one(open_page: Open) -> None:
    """Each set of words stands once, at its best place, with how many there are; pictures each stand for themselves."""
    page = open_page()
    told = page.evaluate(
        """async () => {
            const { grouped } = await import("/static/results.js");
            const given = [["a", "x"], ["b", "y"], ["c", "x"], ["d", null], ["e", null]];
            const results = given.map(([id, text]) => ({ id, text }));
            return grouped({ results }).map(({ hit, same }) => [hit.id, same]);
        }"""
    )
    assert told == [["a", 2], ["b", 1], ["d", 1], ["e", 1]]


def test_a_dropped_picture_finds_captions(open_page: Open, picture: Path) -> None:
    """A drop anywhere is taken; while a file is over the page it says so."""
    page = open_page()
    data = page.evaluate_handle(
        """async url => {
            const blob = await (await fetch(url)).blob();
            const data = new DataTransfer();
            data.items.add(new File([blob], "dropped.jpg", { type: blob.type }));
            return data;
        }""",
        _any_picture(page),
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": data})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator(".card.text").first).to_be_visible()


def test_a_pasted_picture_finds_captions(open_page: Open) -> None:
    """Pasting a picture searches with it; pasting text is typing."""
    page = open_page()
    page.evaluate(
        """async url => {
            const blob = await (await fetch(url)).blob();
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([blob], "pasted.jpg", { type: blob.type }));
            dispatchEvent(Object.assign(new Event("paste"), { clipboardData }));
        }""",
        _any_picture(page),
    )
    expect(page.locator(".card.text").first).to_be_visible()


def test_what_is_no_picture_is_refused(open_page: Open, tmp_path: Path) -> None:
    """Nothing is sent and the page says why."""
    page = open_page()
    sent = searches(page)
    (tmp_path / "a.txt").write_text("no picture")
    page.locator("#image").set_input_files(tmp_path / "a.txt")
    expect(page.locator("#status")).to_contain_text("This is not a picture.")
    assert not sent


def test_more_results_come_on_demand(open_page: Open) -> None:
    """The first of the new ones gets the focus, and the order goes on."""
    page = open_page(ASKED)
    page.get_by_role("button", name="More").click()
    expect(page.locator(".card")).to_have_count(48)
    expect(page.locator(".card .shot").nth(24)).to_be_focused()
    told = page.locator(".card").evaluate_all("all => all.map(each => Number(each.dataset.probability))")
    assert told == sorted(told, reverse=True)


def test_a_shared_search_knows_the_servers_limits(open_page: Open) -> None:
    """However late the server tells of itself, a linked search offers more and asks for all captions."""
    page = open_page()
    sent = searches(page)

    def late(route: Any) -> None:
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/info", late)
    page.goto(page.url.rstrip("/") + ASKED)
    expect(page.get_by_role("button", name="More")).to_be_visible()
    identifier = page.locator(".card").first.locator("button").get_attribute("aria-label") or ""
    page.goto(re.sub(r"/\?.*", f"/?image_id={identifier[4:-1]}", page.url))
    expect(page.locator(".card.text").first).to_be_visible()
    assert "200" in sent[-1]


def test_the_plane_shows_query_and_results(open_page: Open) -> None:
    """An ellipse for each; a press of + makes what is seen smaller, 0 brings all back; links search on."""
    page = open_page()
    found = answer(page, f"{ASKED}&as=plane")
    expect(page.locator(".plane ellipse")).to_have_count(1 + len(found["results"]))
    plane = page.locator(".plane")
    whole = plane.get_attribute("viewBox")
    plane.focus()
    page.keyboard.press("+")
    assert float((plane.get_attribute("viewBox") or "").split()[2]) < float((whole or "").split()[2])
    page.keyboard.press("0")
    assert plane.get_attribute("viewBox") == whole
    spot = page.locator(".spot").first
    spot.focus()
    expect(page.locator(".told")).to_contain_text("match")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("image_id="))


def test_ellipses_are_the_covariances(open_page: Open) -> None:
    """The half axes and the angle that are drawn give back the covariance: R diag(a², b²) Rᵀ."""
    page = open_page()
    covariance = [0.5, -0.2, 0.3]
    long, short, angle = page.evaluate(
        """async given => {
            const { axes } = await import("/static/plane.js");
            const { long, short, angle } = axes(given);
            return [long, short, angle];
        }""",
        covariance,
    )
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    (xx, xy), (_, yy) = rotation @ np.diag([long**2, short**2]) @ rotation.T
    np.testing.assert_allclose([xx, xy, yy], covariance, atol=1e-12)


def test_the_slowest_answer_does_not_win(open_page: Open) -> None:
    """An answer that comes after a later question has been asked is not shown."""
    page = open_page()
    page.route("**/search/text-to-image", lambda route: _delayed(page, route))
    box = page.get_by_role("searchbox")
    box.fill("slow star")
    page.wait_for_timeout(500)
    box.fill("a ring")
    expect(page.locator("#query .echo")).to_have_text("a ring")
    page.wait_for_timeout(1200)
    expect(page.locator("#query .echo")).to_have_text("a ring")


def _delayed(page: Page, route: Any) -> None:
    if "slow" in (route.request.post_data or ""):
        page.wait_for_timeout(1000)
    route.continue_()


def _any_picture(page: Page) -> str:
    """The address of a picture of the gallery."""
    url: str = page.evaluate(
        "async () => (await (await fetch('/uncertainty?modality=image&limit=1')).json()).items[0].image_url"
    )
    return url
