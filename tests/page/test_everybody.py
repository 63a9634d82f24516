"""For everybody: axe-core's rules of WCAG 2.2 AA, the keyboard alone, both themes, a phone, languages, weight."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from opening import PHONE, WIDE, Open
from playwright.sync_api import Page, expect

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
STATIC = Path(str(files("service.web"))) / "static"
VIEWS = {
    "start": ("/", ".chip"),
    "pictures": ("/?text=a+large+red+star&threshold=20", ".words p"),
    "nothing": ("/?text=three+purple+kitchens", ".nothing"),
    "plane": ("/?text=something+red&as=plane", ".plane ellipse"),
    "gallery": ("/?view=gallery", ".bars"),
    "captions": ("/?view=gallery&modality=text", ".card.text"),
}
MOST_BYTES = 100_000


def shown(open_page: Open, view: str, size: tuple[int, int] = WIDE, **options: object) -> Page:
    """A view, once it is there."""
    path, landmark = VIEWS[view]
    page = open_page(path, size, **options)
    expect(page.locator(landmark).first).to_be_visible()
    return page


def violations(page: Page) -> list[str]:
    """What axe-core finds, each with where."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['help']} ({each['nodes'][0]['html'][:200]})" for each in found]


@pytest.mark.parametrize(("view", "scheme"), list(product(VIEWS, ("light", "dark"))))
def test_axe_finds_nothing(open_page: Open, view: str, scheme: str) -> None:
    """No view breaks a rule, in either theme."""
    assert not violations(shown(open_page, view, color_scheme=scheme))


def test_axe_finds_what_is_there(open_page: Open) -> None:
    """The check can fail: a picture without a text and a pale word are found."""
    page = shown(open_page, "start")
    page.evaluate(
        """() => {
            const [picture, pale] = [document.createElement("img"), document.createElement("p")];
            picture.src = "/static/icon.svg";
            pale.textContent = "hardly to be read";
            pale.style.color = "#ddd";
            document.querySelector("main").append(picture, pale);
        }"""
    )
    assert {each.partition(":")[0] for each in violations(page)} == {"image-alt", "color-contrast"}


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_never_scrolls_sideways(open_page: Open, view: str) -> None:
    """Nothing is wider than the screen, and axe-core is content there too."""
    page = shown(open_page, view, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not violations(page)


def test_everything_with_the_keyboard(open_page: Open) -> None:
    """Type, Enter, Tab to the first result, why, close, follow the result, Back: no mouse; the focus is always seen."""
    page = open_page()
    page.keyboard.type("something red")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    _tab_to(page, ".card .about button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.matches('.card .about button')")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("image_id="))
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("something red")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_the_theme_is_the_systems_until_chosen(open_page: Open) -> None:
    """Dark as the system says; one press is light and stays so after a reload; the third is the system's again."""
    page = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate(ground) == dark
    assert page.evaluate("localStorage.getItem('theme')") == ""


def test_all_languages_say_the_same(open_page: Open) -> None:
    """Every language has every message, with the same {places} and the forms by number that it needs."""
    page = open_page()
    languages = page.evaluate("import('/static/languages.js').then(module => module.LANGUAGES)")
    assert len(languages) >= 2
    english = languages["en"]
    for code, messages in languages.items():
        assert messages.keys() == english.keys(), code
        for key, message in messages.items():
            assert _places(message) == _places(english[key]), (code, key)
            assert isinstance(message, str) == isinstance(english[key], str)


def test_no_message_is_left_over(open_page: Open) -> None:
    """Every message is used somewhere in the page's files, by its name or by the start of it."""
    page = open_page()
    keys = page.evaluate("import('/static/languages.js').then(module => Object.keys(module.LANGUAGES.en))")
    code = "".join(path.read_text() for path in STATIC.glob("*.js") if path.stem != "languages")
    code += (STATIC.parent / "index.html").read_text()
    kept = {"name", "nothing-probable", "unlike-training", "too-uncertain", "below-minimum", "empty-gallery"}
    kept |= {"nothing-allowed", "offline", "busy", "key", "refused", "broken", "mismatchedHelp", "hubsHelp"}
    built = ("kind_", "list_", "modality_", "order_")
    assert not [key for key in keys if f'"{key}"' not in code and not key.startswith(built) and key not in kept]


def _places(message: str | dict[str, str]) -> set[str]:
    forms = [message] if isinstance(message, str) else message.values()
    return {place for form in forms for place in re.findall(r"\{(\w+)\}", form)}


def test_a_reader_of_german_reads_german(open_page: Open) -> None:
    """As the browser asks, numbers too; the choice of another language stays."""
    page = open_page("/?text=something+red", locale="de-DE")
    expect(page.locator("#status")).to_contain_text("Ergebnisse, davon")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_label("Sprache").select_option("en")
    expect(page.locator("#status")).to_contain_text("results")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_first_paint_is_light(open_page: Open) -> None:
    """All that the empty page loads is from this server, and small."""
    page = open_page()
    expect(page.locator(".chip").first).to_be_visible()
    entries = page.evaluate("performance.getEntriesByType('resource').map(each => [each.name, each.encodedBodySize])")
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin is not None
    assert all(name.startswith(origin[0]) for name, _ in entries)
    assert 20_000 < sum(size for _, size in entries) < MOST_BYTES


def test_no_module_is_fetched_late() -> None:
    """The page names all modules that it uses, and no other, so that none waits for another one to name it."""
    named = set(re.findall(r'modulepreload" href="/static/(\w+)\.js', (STATIC.parent / "index.html").read_text()))
    code = "".join(path.read_text() for path in STATIC.glob("*.js"))
    assert named == set(re.findall(r'from "\./(\w+)\.js"', code))
