"""How the answer to a search looks in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.bar import Bar
from rich.table import Table

from cli.pictures import half_blocks
from cli.show import CONSOLE, say
from penumbra_client import Hit, SearchAnswer

BAR_CELLS = 12
_RIGHT = ("match", "σ", "distance")


def show_answer(answer: SearchAnswer, pictures: Mapping[str, bytes]) -> None:
    """Print what was asked, a table of what was found, and what is to be made of it.

    Args:
        answer: what was found.
        pictures: files to be shown, by the ids of hits.
    """
    query = answer.query
    if query.unknown_words:
        say(f"The model does not know: {', '.join(query.unknown_words)}.", "yellow")
    say(_vagueness(answer))
    if answer.results:
        CONSOLE.print(_table(answer.results, pictures))
    if answer.no_match is not None:
        say(f"Nothing here matches. {answer.no_match.detail}", "yellow")
    else:
        say(f"About {answer.expected_matches:.1f} matches expected among {answer.ranked:,} items ranked.")


def _vagueness(answer: SearchAnswer) -> str:
    """The query's σ beside those of the gallery's items of its kind."""
    uncertainty, kind = answer.query.uncertainty, answer.query.modality
    sigma = f"σ of the {'text' if kind == 'text' else 'picture'} is {uncertainty.sigma:.4f}"
    if uncertainty.percentile is None:
        return f"{sigma}."
    # Rounded down, as on the page: nothing is vaguer than all.
    return f"{sigma}: vaguer than {int(uncertainty.percentile)} % of the gallery's {kind}s."


def _table(hits: tuple[Hit, ...], pictures: Mapping[str, bytes]) -> Table:
    table = Table(show_lines=bool(pictures))
    for heading in ("", *(["picture"] if pictures else []), "match", "", "item", *_RIGHT[1:]):
        table.add_column(heading, justify="right" if heading in _RIGHT else "left", vertical="middle")
    for hit in hits:
        shown = [half_blocks(pictures[hit.id])] if hit.id in pictures else [""] if pictures else []
        bar = Bar(1, 0, hit.match_probability, width=BAR_CELLS)
        sigma, distance = f"{hit.uncertainty.sigma:.4f}", f"{hit.mean_distance:.3f}"
        table.add_row(str(hit.rank), *shown, _percentage(hit), bar, hit.text or hit.id, sigma, distance)
    return table


def _percentage(hit: Hit) -> str:
    """The match probability with what sampling leaves in it."""
    error = f" ± {100 * hit.standard_error:.0f}" if hit.standard_error else ""
    return f"{100 * hit.match_probability:.0f}{error} %"
