"""What the page says of why, of words, and of the gallery itself."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import numpy as np
from opening import Open
from playwright.sync_api import Page, expect

ASKED = "/?text=a+large+red+star"


def fetched(page: Page, path: str) -> Any:
    """What the service answers to the same question."""
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin is not None
    answer = httpx2.get(origin[0] + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_query_is_placed_in_the_gallery(open_page: Open) -> None:
    """Its percentile in words and as the needle's place, as the service tells it."""
    page = open_page(ASKED)
    percentile = fetched(page, "/uncertainty?text=a+large+red+star")["uncertainty"]["percentile"]
    expect(page.locator(".meter strong")).to_have_text(f"Vaguer than {int(percentile)}% of the gallery's captions")
    needle = page.locator(".range i").evaluate("needle => parseFloat(needle.style.left)")
    assert abs(needle - percentile) < 0.01


def test_words_are_marked_by_what_they_do(open_page: Open) -> None:
    """Each word that raises or lowers σ is marked so, the strongest fully, and told in a sentence."""
    page = open_page("/?text=something+ré+🙂+red+at+night")
    told = fetched(page, "/uncertainty/words?text=something+r%C3%A9+%F0%9F%99%82+red+at+night")
    marks = page.locator("#query mark")
    expect(marks).to_have_count(len(told["words"]))
    assert marks.all_text_contents() == [each["word"] for each in told["words"]]
    strengths = marks.evaluate_all("all => all.map(each => Number(each.style.getPropertyValue('--strength')))")
    changes = [each["change"] for each in told["words"]]
    assert strengths[int(np.argmax(np.abs(changes)))] == 1
    kinds = marks.evaluate_all("all => all.map(each => each.className)")
    assert kinds == ["raises" if change > 0 else "lowers" for change in changes]
    expect(page.locator(".words p").first).to_contain_text(told["words"][int(np.argmin(changes))]["word"])


def test_a_vague_query_gets_suggestions(open_page: Open) -> None:
    """They are those of the service; one press searches with it."""
    page = open_page("/?text=something+red")
    told = fetched(page, "/uncertainty/words?text=something+red")
    chips = page.locator("#query .chip")
    expect(chips).to_have_count(len(told["more_specific"]))
    assert chips.all_text_contents() == [each["text"] for each in told["more_specific"]]
    chips.first.click()
    expect(page.get_by_role("searchbox")).to_have_value(told["more_specific"][0]["text"])


def test_what_was_not_understood_gets_no_suggestions(open_page: Open) -> None:
    """However vague: where the answer says that the query is unlike the model's, no caption says it better."""
    page = open_page("/?text=three+purple+kitchens")
    expect(page.locator("#query mark").first).to_be_visible()
    assert fetched(page, "/uncertainty/words?text=three+purple+kitchens")["more_specific"]
    assert page.locator("#query .chip").count() == 0


def test_why_shows_both_branches_on_both_sides(open_page: Open) -> None:
    """The overlay is the attention of the service: cell by cell as opaque as its weight, the strongest most."""
    page = open_page(ASKED)
    first = page.locator(".card").first
    identifier = first.locator("button").get_attribute("aria-label") or ""
    first.locator("button").click()
    item = re.sub(r"^Why |\?$", "", identifier)
    seen = fetched(page, f"/attention?id={item}")
    for branch, label in (("mean", "to say what it shows"), ("variance", "to say how unsure it is")):
        page.get_by_role("radio", name=label).check()
        canvas = page.locator("dialog canvas")
        expect(canvas).to_have_count(1)
        alphas = canvas.evaluate(
            """each => [...each.getContext("2d").getImageData(0, 0, each.width, each.height).data]
                .filter((_, at) => at % 4 === 3)"""
        )
        weights = np.array(seen[branch])
        np.testing.assert_allclose(np.array(alphas) / 255, 0.85 * weights / weights.max(), atol=1 / 255)
    page.get_by_role("radio", name="nothing marked").check()
    expect(page.locator("dialog canvas")).to_have_count(0)


def test_why_tells_all_figures(open_page: Open) -> None:
    """Probability with its error, by the raw head too, distance and both σ: those of the answer."""
    page = open_page()
    with page.expect_response(re.compile("/search/")) as got:
        page.goto(page.url.rstrip("/") + ASKED)
    hit = got.value.json()["results"][0]
    page.locator(".card button").first.click()
    figures = page.locator("dialog dd").all_text_contents()
    assert figures[0].startswith(f"{hit['match_probability']:.0%}")
    assert float(figures[2]) == float(f"{hit['mean_distance']:.3g}")
    assert float(figures[3]) == float(f"{hit['uncertainty']['sigma']:.3g}")
    assert figures[5] == "1"


def test_the_gallery_by_uncertainty(open_page: Open) -> None:
    """Pictures in the order of the service, first the vaguest, then as chosen; the address has the choice."""
    page = open_page("/?view=gallery")
    expect(page.locator(".bars rect").first).to_be_attached()
    for order in ("desc", "asc"):
        page.locator("#browse-order").select_option(order)
        told = fetched(page, f"/uncertainty?modality=image&order={order}&limit=24")
        expect(page.locator(".card a").first).to_have_attribute("href", re.compile(told["items"][0]["id"]))
        hrefs = page.locator(".card a").evaluate_all(
            "all => all.map(a => new URL(a.href).searchParams.get('image_id'))"
        )
        assert hrefs == [item["id"] for item in told["items"]]
    assert "order=asc" in page.url


def test_the_histogram_is_the_services(open_page: Open) -> None:
    """As many bars as bins, as high as their counts."""
    page = open_page("/?view=gallery&modality=text")
    told = fetched(page, "/uncertainty/histogram?modality=text")
    heights = page.locator(".bars rect").evaluate_all("all => all.map(bar => Number(bar.getAttribute('height')))")
    expect(page.locator(".bars rect")).to_have_count(len(told["counts"]))
    heights = page.locator(".bars rect").evaluate_all("all => all.map(bar => Number(bar.getAttribute('height')))")
    np.testing.assert_allclose(heights, 100 * np.array(told["counts"]) / max(told["counts"]))


def test_the_gallery_between_two_sigmas_and_by_a_field(open_page: Open) -> None:
    """Both sliders and the filter let through what the service lets through; a wrong filter is told."""
    page = open_page("/?view=gallery&modality=text")
    expect(page.locator(".bars rect").first).to_be_attached()
    page.locator("#browse-from").fill("20")
    page.locator("#browse-from").dispatch_event("change")
    expect(page).to_have_url(re.compile("from="))
    lowest = float(re.search(r"from=([\d.]+)", page.url)[1])  # type: ignore[index]
    told = fetched(page, f"/uncertainty?modality=text&min_sigma={lowest}")
    expect(page.locator(".count")).to_have_text(f"{told['total']} items")
    assert 0 < told["total"] < 240


def test_a_filter_is_typed_as_fields_and_values(open_page: Open) -> None:
    """field=value, with quotes around blanks, numbers and truth as such."""
    page = open_page()
    cases = {
        "label=rose year=1990": '{"label":"rose","year":1990}',
        'place="New York" indoors=true': '{"place":"New York","indoors":true}',
        "x=-1.5 y=1a": '{"x":-1.5,"y":"1a"}',
        "": None,
        "nonsense": None,
    }
    for typed, wanted in cases.items():
        assert page.evaluate("async typed => (await import('/static/browse.js')).asFilter(typed)", typed) == wanted


def test_the_example_of_a_filter_works(open_page: Open) -> None:
    """The field and value that the page proposes are of the first item, and let it through."""
    page = open_page("/?view=gallery")
    example = re.search(r"as (\S+);", page.locator("#browse-filter").get_attribute("placeholder") or "")
    assert example is not None
    page.locator("#browse-filter").fill(example[1])
    page.locator("#browse-filter").press("Enter")
    expect(page).to_have_url(re.compile("filter="))
    field, value = example[1].split("=")
    told = fetched(page, f'/uncertainty?modality=image&filter={{"{field}":"{value}"}}')
    expect(page.locator(".count")).to_have_text(f"{told['total']} items")
    assert 0 < told["total"] < 80


def test_odd_ones_are_listed(open_page: Open) -> None:
    """Pictures whose captions do not fit with each caption's probability, and hubs with how often."""
    page = open_page("/?view=gallery&list=mismatched")
    told = fetched(page, "/oddities?kind=mismatched&modality=image&limit=24")
    first = page.locator(".card").first
    expect(first.locator(".own li")).to_have_count(len(told["items"][0]["captions"]))
    page.locator("#browse-modality").select_option("text")
    expect(page.locator(".card.text .whose img").first).to_have_attribute("src", re.compile("/items/"))
    page.locator("#browse-modality").select_option("image")
    page.locator("#browse-list").select_option("hubs")
    told = fetched(page, "/oddities?kind=hubs&modality=image&limit=24")
    expect(page.locator(".card .help").first).to_contain_text(f"of {told['items'][0]['occurrences']} quer")


def test_a_gallery_without_an_audit_says_how(open_page: Open) -> None:
    """Instead of an error, the command that makes it."""
    page = open_page("/?view=gallery", quiet=False)
    page.route("**/oddities*", lambda route: route.fulfill(status=404, json={"detail": "no audit"}))
    page.locator("#browse-list").select_option("hubs")
    expect(page.locator(".nothing")).to_contain_text("penumbra index audit")
