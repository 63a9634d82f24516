"""What is not acceptable gets a 4xx that says what to change; what a viewer would show is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from zlib import compress, crc32

import numpy as np
import pytest
from conftest import IDS, noise_png
from fastapi.testclient import TestClient
from PIL import Image

from index.items import Modality
from service.middleware import BodyLimit

TEXTS, PICTURES = "/search/text-to-image", "/search/image-to-text"


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def bomb() -> bytes:
    """A PNG of 20,000 × 20,000 white pixels, in a few hundred bytes as far as its header tells."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + crc32(kind + content).to_bytes(4, "big")

    size = (20_000).to_bytes(4, "big")
    header = chunk(b"IHDR", size + size + bytes([1, 0, 0, 0, 0]))
    rows = compress(bytes(2501) * 20_000, 9)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sixteen_bit() -> bytes:
    pixels = np.random.default_rng(5).integers(0, 65536, (40, 40)).astype(np.uint16)
    return saved(Image.fromarray(pixels), "PNG")


def animated() -> bytes:
    return saved(noise(), "GIF", save_all=True, append_images=[noise().rotate(90)])


def rotated() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return saved(noise(), "JPEG", exif=exif)


def assert_problem(response: Any, status: int, *words: str) -> dict[str, Any]:
    """RFC 9457, and each of these words in what it says."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert content["type"].startswith("urn:penumbra:problem:")
    assert content["title"]
    assert all(word in content["detail"] for word in words), content["detail"]
    assert content["detail"].endswith(".")
    return content


@pytest.mark.parametrize("text", ["", "   ", "?!", "\x00", "\ud800"])
def test_text_without_words(client: TestClient, text: str) -> None:
    """A text that holds no word is refused, and the answer says what to write instead."""
    response = client.post(TEXTS, content=json.dumps({"text": text}), headers={"Content-Type": "application/json"})
    assert_problem(response, 422, "describe in words")


def test_long_text(client: TestClient) -> None:
    """10,000 characters are refused with the limit named, in the body and in the query string."""
    for response in (
        client.post(TEXTS, json={"text": "a " * 5000}),
        client.get("/uncertainty", params={"text": "a" * 10_000}),
    ):
        assert_problem(response, 422, "1,000", "shorten")


def test_unknown_words_are_named(client: TestClient) -> None:
    """Words never seen are answered, with their names in order, each once."""
    answer = client.post(TEXTS, json={"text": "A wobbly red zorb, wobbly"}).json()
    assert answer["query"]["unknown_words"] == ["wobbly", "zorb"]
    assert len(answer["results"]) == 10
    assert client.post(TEXTS, json={"text": "qwx"}).status_code == 200


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"just a text\n" * 20, "known format"),
        (saved(noise(), "JPEG")[:800], "cut short"),
        (noise_png(1)[:900], "cut short"),
        (b"", "known format"),
        (bomb(), "pixels"),
    ],
    ids=["text called .jpg", "truncated JPEG", "truncated PNG", "nothing", "bomb"],
)
@pytest.mark.parametrize("route", [PICTURES, "/uncertainty"])
def test_no_picture(client: TestClient, route: str, data: bytes, word: str) -> None:
    """Bytes that are no whole picture within the limits are refused with what to send instead."""
    response = client.post(route, files={"image": ("photo.jpg", data, "image/jpeg")})
    assert_problem(response, 422, word)


@pytest.mark.parametrize(
    "make",
    [
        lambda: saved(noise("CMYK"), "JPEG"),
        sixteen_bit,
        lambda: saved(noise("P"), "PNG"),
        lambda: saved(noise("RGBA"), "PNG"),
        lambda: saved(noise("1"), "TIFF"),
        rotated,
        animated,
        lambda: saved(noise(), "WEBP"),
        lambda: saved(noise().resize((400, 3)), "BMP"),
    ],
    ids=["cmyk", "16-bit", "palette", "alpha", "bilevel", "exif", "animated", "webp", "narrow"],
)
def test_odd_pictures_are_accepted(client: TestClient, make: Callable[[], bytes]) -> None:
    """A picture of any kind that a viewer shows is answered."""
    response = client.post(PICTURES, files={"image": ("photo", make())})
    assert response.status_code == 200, response.text
    assert len(response.json()["results"]) == 10


def test_exif_rotation_counts(client: TestClient) -> None:
    """A picture stored on its side asks the same as the one stored upright."""
    exif = Image.Exif()
    exif[274] = 6
    upright = saved(noise(), "PNG")
    lying = saved(noise().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    answers = [client.post("/uncertainty", files={"image": ("x", data)}).content for data in (upright, lying)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("top_k", [0, -1, 51, 10**30, 1.5, None, "many"])
def test_top_k_out_of_range(client: TestClient, top_k: Any) -> None:
    """A number of answers below 1, above the limit or no whole number is refused, and the field is named."""
    assert_problem(client.post(TEXTS, json={"text": "a", "top_k": top_k}), 422, "top_k")


@pytest.mark.parametrize(("field", "limit"), [("shortlist", 5000), ("samples", 64), ("top_k", 50)])
def test_limits_hold_exactly(client: TestClient, field: str, limit: int) -> None:
    """A limit itself is accepted, one more is not, and the message names the limit."""
    assert client.post(TEXTS, json={"text": "a", field: limit}).status_code == 200
    assert_problem(client.post(TEXTS, json={"text": "a", field: limit + 1}), 422, field, str(limit))


def test_top_k_beyond_the_gallery(client: TestClient) -> None:
    """More answers than there are items gives each item once, even with a shortlist of one."""
    answer = client.post(TEXTS, json={"text": "a red star", "top_k": 50, "shortlist": 1}).json()
    assert sorted(hit["id"] for hit in answer["results"]) == sorted(IDS)
    assert [hit["rank"] for hit in answer["results"]] == list(range(1, len(IDS) + 1))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.post(PICTURES, data={"image_id": "no/such"}),
        lambda client: client.get("/uncertainty", params={"id": "no/such"}),
        lambda client: client.get("/items/no%2Fsuch"),
        lambda client: client.get("/items/no%2Fsuch/image"),
    ],
)
def test_unknown_id(client: TestClient, ask: Callable[[TestClient], Any]) -> None:
    """An id that the gallery lacks is 404 with the id in the message."""
    assert_problem(ask(client), 404, "no/such")


def test_an_item_of_the_wrong_modality(client: TestClient) -> None:
    """A caption can neither ask for texts nor be looked at."""
    assert_problem(client.post(PICTURES, data={"image_id": "plain#0"}), 422, "plain#0")
    assert_problem(client.get("/items/plain%230/image"), 422, "plain#0")


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda client: client.post(TEXTS, json={"text": "a", "topk": 3}), "top_k"),
        (lambda client: client.post(PICTURES, data={"image_id": "plain", "sede": 3}), "seed"),
        (lambda client: client.post("/uncertainty", files={"picture": b"x"}), "image"),
        (lambda client: client.get("/uncertainty", params={"txt": "a"}), "text"),
    ],
)
def test_misspelt_field(client: TestClient, ask: Callable[[TestClient], Any], field: str) -> None:
    """A field that is not there is refused, and those that are there are named."""
    assert_problem(ask(client), 422, "There is no field", field)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 422, "not JSON"),
        (b"[1]", 422, "JSON object"),
        (b"", 422, "JSON object"),
        (b"\xff\xfe{", 400, "UTF-8"),
        (b'{"text": 3}', 422, "text"),
        (b'{"text": "a", "min_match_probability": NaN}', 422, "min_match_probability"),
        (b'{"text": "a", "seed": -1}', 422, "seed"),
        (b'{"text": "a", "rerank": "best"}', 422, "closed_form"),
        (b'{"text": "a", "\\ud800": 1}', 422, "There is no field"),
    ],
)
def test_bad_bodies(client: TestClient, body: bytes, status: int, word: str) -> None:
    """A body that is not the JSON asked for is refused with what is wrong with it."""
    response = client.post(TEXTS, content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, status, word)


def test_one_picture_to_ask_with(client: TestClient) -> None:
    """Both of upload and id, neither, and a text in place of the upload are refused."""
    both = client.post(PICTURES, data={"image_id": "plain"}, files={"image": noise_png(0)})
    for response in (both, client.post(PICTURES), client.post(PICTURES, data={"top_k": 3})):
        assert_problem(response, 422, "image_id")
    assert_problem(client.post(PICTURES, data={"image": "photo.jpg"}), 422, "must be a file")


@pytest.mark.parametrize("question", [{}, {"text": "a", "id": "plain"}, {"id": "plain", "modality": "text"}])
def test_one_question_of_uncertainty(client: TestClient, question: dict[str, str]) -> None:
    """None of text, id and modality, or two of them, are refused."""
    assert_problem(client.get("/uncertainty", params=question), 422, "exactly one of text, id and modality")


def test_pages_of_uncertainty_have_a_limit(client: TestClient) -> None:
    """A page longer than the limit is refused; one that begins behind the end is empty."""
    assert_problem(client.get("/uncertainty", params={"modality": "text", "limit": 51}), 422, "limit")
    assert client.get("/uncertainty", params={"modality": "text", "offset": 2**62}).json()["items"] == []


def test_declared_body_too_large(client: TestClient) -> None:
    """A body that is longer than the limit by its Content-Length is 413."""
    response = client.post("/uncertainty", files={"image": bytes(300_001)})
    assert_problem(response, 413, "300,000")


def test_streamed_body_too_large(client: TestClient) -> None:
    """A body without a length is refused as well, when it has become too long."""

    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(10_000)

    assert_problem(client.post(TEXTS, content=chunks()), 413, "300,000")


@pytest.mark.parametrize(("length", "pieces"), [(None, 3), (b"3", 3), (b"26", 0), (b"many", 0)])
def test_streaming_stops_at_the_limit(length: bytes | None, pieces: int) -> None:
    """Nothing is taken of a body declared too long, and of another no more than the piece that exceeds the limit."""
    taken, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": bytes(10), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async def swallow(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    headers = [] if length is None else [(b"content-length", length)]
    scope = {"type": "http", "headers": headers}
    asyncio.run(BodyLimit(swallow, limit=25)(scope, receive, send))
    assert taken == pieces
    assert sent[0]["status"] == 413


def test_refusals_change_nothing(client: TestClient) -> None:
    """After all kinds of bad requests a good one gets the bytes it got before them."""
    good = {"text": "a red star", "seed": 3}
    before = client.post(TEXTS, json=good).content
    client.post(TEXTS, json={"text": ""})
    client.post(PICTURES, files={"image": b"no picture"})
    client.get("/items/none")
    assert client.post(TEXTS, json=good).content == before
    assert client.get("/info").json()["gallery"]["counts"] == {Modality.IMAGE: 12, Modality.TEXT: 24}


def test_unknown_routes_are_problems(client: TestClient) -> None:
    """A path or a method that is not there is answered as a problem too."""
    assert_problem(client.get("/nowhere"), 404, "/docs")
    assert_problem(client.delete("/info"), 405, "Allow")
    assert_problem(client.get("/static/..%2Fapp.py"), 404)
