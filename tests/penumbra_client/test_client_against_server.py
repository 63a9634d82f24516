"""Both clients against a server that runs."""

from __future__ import annotations

import asyncio
import doctest
import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest

import penumbra_client
from models.image import decode
from penumbra_client import (
    AsyncClient,
    Caption,
    Client,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnreachableError,
)

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "client.md"
JSON: Final = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("text", "examples"), [(str(penumbra_client.__doc__), 2), (PAGE.read_text(encoding="utf-8"), 6)]
)
def test_what_is_shown_runs(
    url: str, client: Client, picture: Path, monkeypatch: pytest.MonkeyPatch, text: str, examples: int
) -> None:
    """The examples at the top of the package and on the page do what they say, on a server at another port."""
    (picture.parent / "picture.png").write_bytes(picture.read_bytes())
    monkeypatch.chdir(picture.parent)
    shown = doctest.DocTestParser().get_doctest(text.replace("http://127.0.0.1:8000", url), {}, "shown", None, None)
    assert len(shown.examples) == examples
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(shown)
    assert failed == 0


def is_part(known: Any, told: Any) -> bool:
    """Whether all that the client knows has the value that the server told."""
    if isinstance(known, dict):
        return all(is_part(value, told[name]) for name, value in known.items())
    if isinstance(known, tuple):
        return len(known) == len(told) and all(map(is_part, known, told))
    return bool(known == told)


def test_an_answer_is_what_the_server_says(url: str, client: Client) -> None:
    """Every field that the client knows has the value that stands in the server's JSON."""
    assert is_part(asdict(client.info()), json.load(urlopen(f"{url}/info")))
    asked = {"text": "a red zeppelin", "top_k": 2, "samples": 3, "seed": 5}
    told = json.load(urlopen(Request(f"{url}/search/text-to-image", json.dumps(asked).encode(), JSON)))
    answer = client.search_text("a red zeppelin", top_k=2, samples=3, seed=5)
    assert is_part(asdict(answer), told)
    assert answer.query.unknown_words == ("zeppelin",)


def test_a_filter_in_both_searches(client: Client) -> None:
    """A filter reaches the server as an object in JSON and as text in a form."""
    texts = client.search_text("a thing", filter={"id": {"in": ["i1"]}})
    assert [hit.id for hit in texts.results] == ["i1"]
    pictures = client.search_image(image_id="i0", filter={"image_id": "i0"})
    assert {hit.id for hit in pictures.results} == {"i0#0", "i0#1"}


def test_a_picture_in_each_form(client: Client, picture: Path) -> None:
    """A path, its text, bytes and an open file ask the same."""
    with picture.open("rb") as file:
        given = (picture, str(picture), picture.read_bytes(), file, BytesIO(picture.read_bytes()))
        answers = [client.search_image(each, rerank="closed_form") for each in given]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].query.uncertainty == client.uncertainty_of_image(picture).uncertainty


def test_uncertainties(client: Client) -> None:
    """Of a text, of an item, and of all: the list is in the order of σ, each as the item says it of itself."""
    assert client.uncertainty_of_text("a thing").uncertainty.sigma > 0
    listed = client.by_uncertainty("image", order="asc", limit=2, offset=1)
    assert (listed.total, len(listed.items), listed.order) == (3, 2, "asc")
    assert listed.items[0].uncertainty.sigma <= listed.items[1].uncertainty.sigma
    assert client.uncertainty_of_item(listed.items[0].id) == listed.items[0] == client.item(listed.items[0].id)


def test_a_list_can_be_narrowed(client: Client) -> None:
    """By σ and by a filter; the histogram's edges are bounds."""
    histogram = client.sigma_histogram("image", bins=3)
    assert (histogram.total, sum(histogram.counts), len(histogram.edges)) == (3, 3, len(histogram.counts) + 1)
    least = client.by_uncertainty("image", max_sigma=histogram.edges[1], filter={"id": {"in": ["i0", "i1", "i2"]}})
    assert least.total >= histogram.counts[0] > 0
    assert client.by_uncertainty("image", min_sigma=2 * histogram.edges[-1]).total == 0


def test_oddities(client: Client) -> None:
    """Hubs with how often they answer, mismatched images with their captions; none before an audit."""
    hubs = client.oddities("hubs", limit=2)
    assert hubs.hubness is not None and hubs.total >= len(hubs.items)
    mismatched = client.oddities("mismatched", limit=1).items[0]
    assert mismatched.item.modality == "image"
    assert min(each.match_probability for each in mismatched.captions) == mismatched.match_probability
    with pytest.raises(NotFoundError, match="penumbra index audit"):
        client.for_gallery("second").oddities("hubs")


def test_words_attention_and_projection(client: Client, picture: Path) -> None:
    """Each word of a text, where the model looks, and a spot in the plane for each answer."""
    weighed = client.uncertainty_of_words("a red thing")
    assert [weighed.query.text[word.start : word.end] for word in weighed.words] == ["a", "red", "thing"]
    assert client.attention_of_text("a red thing").words == ("a", "red", "thing")
    looked = client.attention_of_image(picture)
    assert looked.grid is not None and len(looked.mean or ()) in (0, looked.grid.height * looked.grid.width)
    assert client.attention_of_item("i0").id == "i0"
    for answer in (client.search_text("a thing", projection=True), client.search_image(picture, projection=True)):
        assert answer.projection is not None
        assert len(answer.projection.results) == len(answer.results)


def test_pictures_come_as_jpeg(client: Client) -> None:
    """A picture is bytes; one of a caption, or of nobody, is an error."""
    assert client.picture("i0").startswith(b"\xff\xd8\xff")
    assert decode(client.picture("i0", side=16)).size == (16, 14)
    with pytest.raises(InvalidRequestError, match="has no picture"):
        client.picture("i0#0")
    with pytest.raises(NotFoundError):
        client.picture("nobody")


def test_items_come_are_replaced_and_go(client: Client, picture: Path) -> None:
    """Captions and images, with ids that a path must not stumble over."""
    added = client.add_image(
        "folder/new ä?#", picture, captions=["a thing", "a red thing"], label="x", meta={"at": [1]}
    )
    assert [item.id for item in added.items if item.modality == "text"] == ["folder/new ä?##0", "folder/new ä?##1"]
    assert client.item("folder/new ä?#").meta == {"at": [1]}
    client.add_captions([Caption("note", "a thing far away", "folder/new ä?#", meta={"by": "me"})])
    replaced = client.replace_caption("note", "a blue thing", image_id="folder/new ä?#", label="y")
    assert (replaced.items[0].text, replaced.items[0].label) == ("a blue thing", "y")
    client.replace_image("folder/new ä?#", picture, captions=["a thing"])
    with pytest.raises(NotFoundError):
        client.item("note")
    with pytest.raises(ConflictError, match="already has an item"):
        client.add_captions([Caption("i0#0", "a thing")])
    client.remove("folder/new ä?#")
    with pytest.raises(NotFoundError, match="folder/new"):
        client.item("folder/new ä?#")


def test_a_problem_is_told_whole(client: Client) -> None:
    """Status, title, sentence and request id of the server's answer stand in the error."""
    with pytest.raises(InvalidRequestError, match="characters") as caught:
        client.search_text("a " * 40)
    error = caught.value
    assert (error.status, error.title, str(error)) == (422, "Unacceptable text", error.detail)
    assert error.request_id
    with pytest.raises(InvalidRequestError, match="one of image"):
        client.search_image()


def test_another_gallery(client: Client) -> None:
    """Every question goes to the gallery that was chosen, on the same connections; one that is not there is 404."""
    second = client.for_gallery("second")
    assert second.by_uncertainty("image").total == 1
    assert second.info().gallery.counts["image"] == 1
    assert client.info().gallery.counts["image"] == 3
    assert second.ready().status == "ready"
    assert second.reload().outcome == "switched"
    with pytest.raises(NotFoundError, match="nowhere"):
        client.for_gallery("nowhere").info()


def test_asynchronously(url: str, client: Client, picture: Path) -> None:
    """The same answers, several at once."""

    async def ask() -> None:
        async with AsyncClient(url) as asking:
            await asking.wait_until_ready()
            found = await asyncio.gather(
                asking.search_text("a thing"), asking.search_image(picture), asking.for_gallery("second").info()
            )
        assert found[0] == client.search_text("a thing")
        assert found[1] == client.search_image(picture)
        assert found[2].gallery.counts["image"] == 1

    asyncio.run(ask())


def test_nobody_there() -> None:
    """A sentence that names the address."""
    with Client("http://127.0.0.1:9", retries=penumbra_client.Retries(most=0)) as client:
        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 does not answer") as caught:
            client.info()
        assert not caught.value.sent
        with pytest.raises(UnreachableError):
            client.wait_until_ready(seconds=0.02, every=0.01)
