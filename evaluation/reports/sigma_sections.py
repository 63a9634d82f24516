"""Everything about σ: from the JSON of a report to sections of its page. What was not measured is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.reports.page import Gallery, Item, Plot, Section, grid
from evaluation.reports.plots import Scale, Series, histogram, lines
from evaluation.reports.reading import figure, figures_in, known_pairs, part
from evaluation.reports.rules import has_sigma
from evaluation.reports.wording import CHANGES, NAMES, SIDES, count, fixed, percent, short
from models.calibration import Direction

Json = Mapping[str, Any]


def bins(figures: Json) -> Section | None:
    """Ranking figures in bins of σ."""
    plots = tuple(plot for direction in Direction if (plot := _bins_plot(figures, direction)) is not None)
    if not plots or not has_sigma(figures):
        return None
    text = "If σ says how vague a query is, the lines fall from left to right: the vaguer, the worse its answers."
    return Section("bins", "Does σ say how good the answers are?", (text,), plots)


def _bins_plot(figures: Json, direction: Direction) -> Plot | None:
    sure = part(figures, "confidence", direction)
    measured = {"Recall@1": part(sure, "recall_1"), "R-Precision": part(sure, "r_precision")}
    series = [
        Series(name, *known_pairs(each.get("score"), each.get("values"))) for name, each in measured.items() if each
    ]
    if not any(each.x for each in series):
        return None
    facts = [
        f"{name}: ρ {fixed(figure(each, 'spearman'), 2)}, slope {short(figure(each, 'slope'))}"
        for name, each in measured.items()
    ]
    title = f"Ranking in ten bins of σ, {direction}"
    scale = Scale("mean σ of the bin's queries", "mean of the bin", y_percent=True, y_from_zero=True)
    return Plot(lines(f"bins-{direction}", title, series, scale), f"{title}. {'; '.join(facts)}.")


def sigma(figures: Json, items: Json) -> Section:
    """How σ is spread, whether the variances are alive, and σ against the true number of matches."""
    title = "How uncertain are the items?"
    if not has_sigma(figures):
        return Section("sigma", title, ("This model embeds points: there is no σ to look at.",))
    verdicts = [
        f"{SIDES[side].capitalize()}: {verdict}"
        for side in SIDES
        if (verdict := part(figures, "variances", side).get("verdict"))
    ]
    plots = [plot for plot in (_spread(items), *(_by_matches(figures, items, side) for side in SIDES)) if plot]
    return Section("sigma", title, tuple(verdicts), tuple(plots))


def _spread(items: Json) -> Plot | None:
    shown = {said: part(items, side, "histogram") for side, said in SIDES.items()}
    series = [
        (said, figures_in(each.get("edges")), figures_in(each.get("count"))) for said, each in shown.items() if each
    ]
    if not series:
        return None
    title = "How σ is spread"
    svg = histogram("spread", title, series, "σ (geometric mean of an item's standard deviations)")
    missing = [said for said, each in shown.items() if not each]
    note = f" σ of the {missing[0]} is one constant." if missing else ""
    return Plot(svg, f"{title} over the images and over the captions, each as a share of its own.{note}")


def _by_matches(figures: Json, items: Json, side: str) -> Plot | None:
    found = part(items, side, "matches")
    number, low, median, high = (figures_in(found.get(key)) for key in ("number", "low", "median", "high"))
    if not number:
        return None
    title = f"σ of the {SIDES[side]} against how many items truly match"
    rho = fixed(figure(figures, "ambiguity", side, "spearman"), 2)
    series = [Series("median, with the middle 80 %", number, median, low, high)]
    svg = lines(f"matches-{side}", title, series, Scale("true number of matches", "σ", x_log=True, y_from_zero=True))
    return Plot(svg, f"{title}. Spearman's ρ with the logarithm of that number, over all of them, is {rho}.")


def sensitivity(figures: Json) -> Section | None:
    """σ against what should raise it; the true number of matches has a plot of its own above."""
    series = figures.get("sensitivity")
    listed = [part(each) for each in series] if isinstance(series, list) and has_sigma(figures) else []
    plots = tuple(
        plot
        for place, each in enumerate(listed)
        if each.get("what") != "matches" and (plot := _sensitivity_plot(place, each)) is not None
    )
    if not plots:
        return None
    text = (
        "A σ that means uncertainty rises with what takes information away. An erased area, blur and dropped words are "
        "done to the same items; length and generality are seen in different ones. The band is one standard deviation."
    )
    return Section("sensitivity", "Does σ rise where it should?", (text,), plots)


def _sensitivity_plot(place: int, series: Json) -> Plot | None:
    levels, mean, deviation = (figures_in(series.get(key)) for key in ("levels", "mean_sigma", "deviation"))
    if not mean or not len(levels) == len(mean) == len(deviation):
        return None
    side = SIDES.get(str(series.get("side")), "items")
    what = CHANGES.get(str(series.get("what")), str(series.get("what", "the change")))
    title = f"σ of the {side} against {what}"
    band = ([m - sign * d for m, d in zip(mean, deviation, strict=True)] for sign in (1, -1))
    svg = lines(f"sensitivity-{place}", title, [Series(side, levels, mean, *band)], Scale(what, "mean σ"))
    return Plot(svg, f"{title}. {_followed(series)}")


def _followed(series: Json) -> str:
    """How σ follows the levels, beside what a model without variances has to go by."""
    rho, means = figure(series, "spearman"), figure(series, "mean_only", "spearman")
    beside = "" if means is None else f"; of the distance to the nearest answer, by the means alone, {fixed(means, 2)}"
    rising = figure(series, "share_rising")
    share = "" if rising is None else f" It ends higher than it began for {percent(rising)} of them."
    return f"Spearman's ρ is {fixed(rho, 2)}{beside}.{share}"


def outliers(figures: Json) -> Section | None:
    """How well each score tells queries of another kind from those of the collection."""
    kinds = [
        (direction, name, part(kind))
        for direction in Direction
        for name, kind in part(figures, "outliers", direction, "kinds").items()
    ]
    if not kinds:
        return None
    scores = list(dict.fromkeys(score for *_, kind in kinds for score in part(kind, "auroc")))
    rows = [(direction, name, *_told(kind, scores)) for direction, name, kind in kinds]
    headings = ("queries", "outliers", *(score.replace("_", " ") for score in scores), "warned of", "outliers asked")
    table = grid("AUROC of each score at telling outliers from the collection's own queries", headings, rows, names=2)
    text = (
        "An outlier should be doubted more than the collection's own queries. An AUROC of 0.5 is chance, 1 is perfect.",
        *_false_alarms(figures),
    )
    return Section("outliers", "Does it notice what it was not made for?", text, tables=(table,))


def _told(kind: Json, scores: Sequence[str]) -> tuple[str, ...]:
    aurocs = (fixed(figure(kind, "auroc", score), 3) for score in scores)
    return *aurocs, percent(figure(kind, "alarms")), count(figure(kind, "queries"))


def _false_alarms(figures: Json) -> Iterator[str]:
    for direction in Direction:
        share = figure(figures, "outliers", direction, "false_alarms")
        if share is not None:
            yield f"{NAMES[direction]}: a search also warns of {percent(share)} of the collection's own queries."


def galleries(items: Json) -> Section | None:
    """The most and the least certain images and captions."""
    shown = [
        Gallery(f"{title} {said}", tuple(_item(each) for each in part(items, side).get(key, ())))
        for side, said in SIDES.items()
        for key, title in (("most_certain", "Most certain"), ("least_certain", "Least certain"))
        if part(items, side).get(key)
    ]
    if not shown:
        return None
    text = "Do the uncertain ones look vaguer? The figures cannot see that; you can."
    return Section("gallery", "The most and the least certain", (text,), galleries=tuple(shown))


def _item(item: Json) -> Item:
    captions = item.get("captions") or ()
    text = str(item.get("text") or (captions[0] if captions else ""))
    picture = str(item.get("thumbnail", ""))
    # Nothing but an embedded picture may be shown: the page fetches nothing.
    embedded = picture if picture.startswith("data:image/jpeg;base64,") else ""
    return Item(text, f"{item.get('id', '')}, σ\N{NO-BREAK SPACE}{short(figure(item, 'sigma'))}", embedded)
