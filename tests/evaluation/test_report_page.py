"""The page of a report: whole, with parts missing, with hostile contents, and the same every time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from synthetic_report import DIRECTIONS, PIXEL, report

from evaluation.reports import plots
from evaluation.reports.report_page import report_page

SECTIONS = ("ranking", "reliability", "bins", "abstention", "sigma", "sensitivity", "outliers", "gallery", "made")


class Seen(HTMLParser):
    """The tags, attributes and text of a page, style apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self.style = ""
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, its attributes and the level of a heading."""
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag, and those within it that need no end."""
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note text."""
        if self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All of it, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def values(self, *names: str) -> list[str]:
        """Of all attributes of these names."""
        return [value for name, value in self.attributes if name in names]


@pytest.fixture(scope="module")
def page() -> str:
    return report_page(report())


def test_a_whole_report_has_every_section(page: str) -> None:
    """All sections are there, what they plot has a title for those who listen, tables have captions."""
    seen = Seen(page)
    assert [name for name in SECTIONS if name not in seen.values("id")] == []
    assert seen.tags.count("svg") == seen.tags.count("figcaption") == 4 * len(DIRECTIONS) - 2 + 3 + 2
    assert seen.tags.count("title") == seen.tags.count("svg") + 1
    assert seen.tags.count("table") == seen.tags.count("caption")
    assert seen.tags.count("img") == len(seen.values("alt"))
    assert "50.0 % for captions" in seen.text
    assert "word salad 0.810 0.920 34.5 % 500" in seen.text
    assert "warns of 1.2 % of the collection's own queries" in seen.text
    assert seen.headings[0] == 1 and max(b - a for a, b in zip(seen.headings, seen.headings[1:], strict=False)) == 1


def test_identifiers_are_unique(page: str) -> None:
    """No two elements share an id, and every reference within the page leads somewhere."""
    seen = Seen(page)
    names = Counter(seen.values("id"))
    assert [name for name, times in names.items() if times > 1] == []
    inner = [value[1:] for value in seen.values("href") if value.startswith("#")]
    inner += re.findall(r"url\(#([^)]*)\)", page) + seen.values("aria-labelledby")
    assert [name for name in inner if name not in names] == []


def assert_fetches_nothing(page: str) -> None:
    seen = Seen(page)
    assert not {"script", "iframe", "object", "embed", "form", "base", "foreignobject"} & set(seen.tags)
    fetched = seen.values("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background")
    assert [value for value in fetched if not value.startswith(("#", "data:"))] == []
    styles = seen.style + " ".join(seen.values("style", "clip-path", "fill"))
    assert "@import" not in styles and re.findall(r"url\((?!#)", styles) == []
    assert [name for name, _ in seen.attributes if name.startswith("on")] == []


def test_the_page_fetches_nothing(page: str) -> None:
    """No script, and no reference but to itself and to what is embedded."""
    assert_fetches_nothing(page)
    assert PIXEL in page


HOSTILE = """"><script>alert(1)</script><img src=http://example.org/x onerror='alert(1)'>{{ 7 * 7 }}</style>"""


def test_hostile_words_stay_words() -> None:
    """Ids, captions, folders and names in a report are shown as they are, and do nothing."""
    given = report(name=HOSTILE, path=HOSTILE)
    given["produced"]["data"] |= {"path": HOSTILE, "split": HOSTILE}
    given["figures"]["sensitivity"][0]["what"] = HOSTILE + "$\\frac{$"
    given["figures"]["outliers"] = {DIRECTIONS[0]: {"kinds": {HOSTILE: {"auroc": {HOSTILE: 0.5}}}}}
    given["figures"]["variances"]["images"]["verdict"] = HOSTILE
    for side in given["items"].values():
        side["most_certain"] = [{"id": HOSTILE, "sigma": 0.1, "text": HOSTILE, "captions": [HOSTILE]}]
        side["least_certain"] = [{"id": "x", "sigma": 0.1, "thumbnail": "http://example.org/x.jpg"}]
    page = report_page(given)
    assert_fetches_nothing(page)
    assert Seen(page).text.count("<script>alert(1)</script>") >= 8
    assert Seen(page).text.count("{{ 7 * 7 }}") >= 8


def test_equal_figures_give_equal_bytes(page: str) -> None:
    """The page is the same every time, whatever a person has set up for their own drawings."""
    with mpl.rc_context({"svg.fonttype": "path", "lines.linewidth": 9.0, "figure.dpi": 300, "text.usetex": True}):
        assert report_page(report()) == page


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is painted, and not written out: that takes most of the time of a page."""

    def painted(name: str, title: str, paint: Callable[[Axes], None], height: float, labels: Sequence[str]) -> str:
        paint(Figure().subplots())
        return "<svg></svg>"

    monkeypatch.setattr(plots, "_drawn", painted)


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(figures: dict[str, Any]) -> None:
        for key in path[:-1]:
            figures = figures[key]
        del figures[path[-1]]

    return change


def none(value: Any) -> Any:
    """The same tree with every number None."""
    if isinstance(value, dict):
        return {key: none(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [none(inner) for inner in value]
    return value if isinstance(value, str | bool) else None


def pointless(figures: dict[str, Any]) -> None:
    """What a model without variances measures."""
    for state in figures["variances"].values():
        state |= {"mean_trace": 1e-15, "log_sigma_deviation": None, "collapsed": True}
    for sure in figures["confidence"].values():
        sure |= {"recall_1": None, "r_precision": None}
        del sure["abstention"]["sigma"]
    figures["ambiguity"] = {side: {"spearman": None, "items": 5} for side in ("images", "texts")}


def uncalibrated(figures: dict[str, Any]) -> None:
    figures["confidence"] = {}
    for direction in DIRECTIONS:
        raw = {key: value for key, value in figures["reliability"][direction].items() if "calibrated" not in key}
        figures["reliability"][direction] = raw


@pytest.mark.parametrize(
    ("change", "gone", "said"),
    [
        (without("sensitivity"), {"sensitivity"}, ""),
        (without("outliers"), {"outliers"}, ""),
        (lambda f: f.update(sensitivity=[], outliers=None, pmrp=None, ambiguity={}), {"sensitivity", "outliers"}, ""),
        (lambda f: f.clear(), {*SECTIONS} - {"gallery", "made", "sigma"}, "Not measured"),
        (lambda f: f.update(none(f)), {"bins", "sensitivity"}, "Not as it stands"),
        (uncalibrated, {"bins", "abstention"}, "penumbra calibrate"),
        (pointless, {"bins", "sensitivity"}, "embeds points"),
    ],
)
@pytest.mark.usefixtures("unrendered")
def test_what_was_not_measured_is_left_out(change: Callable[[dict[str, Any]], None], gone: set[str], said: str) -> None:
    """Sections without figures go, the others stay, and nothing is shown of what is none."""
    given = report()
    change(given["figures"])
    del given["produced"]["options"]
    seen = Seen(report_page(given))
    assert {name for name in SECTIONS if name not in seen.values("id")} == gone
    assert said in seen.text
    assert re.findall(r"\b(nan|None|null)\b", seen.text) == []


@pytest.mark.usefixtures("unrendered")
def test_items_of_points_have_no_gallery() -> None:
    """Nothing to sort by, nothing to show."""
    given = report()
    given["items"] = {side: {"histogram": None, "matches": None, "most_certain": []} for side in ("images", "texts")}
    seen = Seen(report_page(given))
    assert "gallery" not in seen.values("id")
    assert "sigma" in seen.values("id")
