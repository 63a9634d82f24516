"""The client against the OpenAPI document of the server: what one knows of the other is so, and nothing is left out."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import is_dataclass
from typing import Any, Final

import jsonschema_rs
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from penumbra_client import Caption, answers, operations
from penumbra_client.messages import Call, Request, Upload

Schema = dict[str, Any]

OPTIONS: Final[operations.SearchOptions] = {
    "top_k": 5,
    "shortlist": 50,
    "rerank": "closed_form",
    "samples": 3,
    "seed": 1,
    "min_match_probability": 0.5,
    "filter": {"label": "rose"},
    "projection": True,
}
"""Every option of a search."""
CALLS: Final[dict[str, Call[Any]]] = {
    "search_text": operations.search_text("a star", **OPTIONS),
    "search_image": operations.search_image(b"x", image_id="i", **OPTIONS),
    "uncertainty_of_text": operations.uncertainty_of_text("a star"),
    "uncertainty_of_image": operations.uncertainty_of_image(b"x"),
    "uncertainty_of_item": operations.uncertainty_of_item("i"),
    "uncertainty_of_words": operations.uncertainty_of_words("a star"),
    "by_uncertainty": operations.by_uncertainty(
        "text", order="asc", limit=5, offset=5, min_sigma=0.1, max_sigma=0.2, filter={"label": "rose"}
    ),
    "sigma_histogram": operations.sigma_histogram("text", bins=5),
    "oddities": operations.oddities("hubs", modality="text", limit=5, offset=5),
    "attention_of_text": operations.attention_of_text("a star"),
    "attention_of_image": operations.attention_of_image(b"x"),
    "attention_of_item": operations.attention_of_item("i"),
    "item": operations.item("i"),
    "picture": operations.picture("i", side=160),
    "add_captions": operations.add_captions([Caption("c", "a star", "i", "rose", {"by": "me"})]),
    "add_image": operations.add_image("i", b"x", captions=["a star"], label="rose", meta={"by": "me"}),
    "replace_caption": operations.replace_caption("c", "a star", image_id="i", label="rose", meta={"by": "me"}),
    "replace_image": operations.replace_image("i", b"x", captions=["a star"], label="rose", meta={"by": "me"}),
    "remove": operations.remove("i"),
    "reload": operations.reload(),
    "info": operations.info(),
    "ready": operations.ready(),
}
"""Every question, with all that can be told."""
ANSWERS: Final = {
    "search_text": answers.SearchAnswer,
    "search_image": answers.SearchAnswer,
    "uncertainty_of_text": answers.Query,
    "uncertainty_of_image": answers.Query,
    "uncertainty_of_item": answers.Item,
    "uncertainty_of_words": answers.Words,
    "by_uncertainty": answers.ItemList,
    "sigma_histogram": answers.Histogram,
    "oddities": answers.Oddities,
    "attention_of_text": answers.Attention,
    "attention_of_image": answers.Attention,
    "attention_of_item": answers.Attention,
    "item": answers.Item,
    "add_captions": answers.Change,
    "add_image": answers.Change,
    "replace_caption": answers.Change,
    "replace_image": answers.Change,
    "reload": answers.Swap,
    "info": answers.Info,
    "ready": answers.Readiness,
}
"""What each is answered with; a picture and a removal are answered without JSON."""
NOT_ASKED: Final = {
    ("get", "/healthz"): "orchestrators ask it; a client asks /readyz",
    ("get", "/metrics"): "Prometheus asks it, and its text is not of this API",
}
"""Routes that no method asks, and why."""
NOT_SENT: Final = {
    "gallery": "the client names the gallery in the path",
    "v": "the version of a picture is for caches, and the client has none",
}
"""What can be told that the client does not send, and why."""


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Schema:
    """The OpenAPI document, every reference in it replaced by what it leads to."""
    written = app.openapi()

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolve(written["components"]["schemas"][value["$ref"].rsplit("/", 1)[1]])
            return {name: resolve(inner) for name, inner in value.items()}
        return [resolve(each) for each in value] if isinstance(value, list) else value

    paths: Schema = resolve(written["paths"])
    return paths


def routes(document: Schema) -> Iterator[tuple[str, str]]:
    for path, methods in document.items():
        yield from ((method, path) for method in methods if not path.startswith("/galleries/{gallery}/"))


def route_of(request: Request, document: Schema) -> tuple[str, str]:
    """The route that a request is for: of those that fit, the one that leaves least to a parameter."""
    fitting = [
        (method, path)
        for method, path in routes(document)
        if method == request.method.lower() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.path)
    ]
    return max(fitting, key=lambda route: len(route[1]))


def operation(name: str, document: Schema) -> Schema:
    method, path = route_of(CALLS[name].request, document)
    found: Schema = document[path][method]
    return found


def alternatives(schema: Schema) -> list[Schema]:
    return [inner for each in schema["anyOf"] for inner in alternatives(each)] if "anyOf" in schema else [schema]


def misfits(known: Schema, told: Schema, place: str) -> Iterator[str]:
    """Where the client would not understand what the server may tell: a field that is not told, or a wider type."""
    for each in alternatives(told):
        fitting = [kind for kind in alternatives(known) if accepts(kind, each)]
        if not fitting:
            yield f"{place}: {each.get('type')} is told, {known} is known"
        for kind in fitting:
            yield from inner_misfits(kind, each, place)


def accepts(known: Schema, told: Schema) -> bool:
    wanted, given = known.get("type"), told.get("type")
    return wanted is None or wanted == given or (wanted, given) == ("number", "integer")


def inner_misfits(known: Schema, told: Schema, place: str) -> Iterator[str]:
    for name, field in known.get("properties", {}).items():
        if name not in told["properties"]:
            yield f"{place}.{name} is not told"
        else:
            yield from missing(name, known, told, place)
            yield from misfits(field, told["properties"][name], f"{place}.{name}")
    if "items" in known:
        yield from misfits(known["items"], told["items"], f"{place}[]")
    if known.get("type") == "object" and isinstance(known.get("additionalProperties"), dict):
        yield from misfits(known["additionalProperties"], told["additionalProperties"], f"{place}.*")
    if set(told.get("enum", ())) - set(known.get("enum", told.get("enum", ()))):
        yield f"{place}: of {told['enum']} only {known['enum']} are known"


def missing(name: str, known: Schema, told: Schema, place: str) -> Iterator[str]:
    """A field that the client needs and the server may leave out; one with a default is always written."""
    written = name in told.get("required", ()) or "default" in told["properties"][name]
    if name in known.get("required", ()) and not written:
        yield f"{place}.{name} may be missing"


def schema_of(kind: Any) -> Schema:
    """A dataclass as pydantic reads it, every reference replaced."""
    written = TypeAdapter(kind).json_schema(mode="serialization")
    parts = written.pop("$defs", {})

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return (
                resolve(parts[value["$ref"].rsplit("/", 1)[1]])
                if "$ref" in value
                else {name: resolve(inner) for name, inner in value.items()}
            )
        return [resolve(each) for each in value] if isinstance(value, list) else value

    schema: Schema = resolve(written)
    return schema


def test_every_question_is_here() -> None:
    """The tables of this test hold all the functions of `operations`, and all classes of `answers` are reached."""
    functions = inspect.getmembers(operations, inspect.isfunction)
    own = {name for name, value in functions if value.__module__ == operations.__name__}
    assert {name for name in own if not name.startswith("_")} == set(CALLS)
    assert set(CALLS) - set(ANSWERS) == {"picture", "remove"}
    defined = {value for value in vars(answers).values() if is_dataclass(value)}
    reached = {schema["title"] for kind in set(ANSWERS.values()) for schema in titled(schema_of(kind))}
    assert {kind.__name__ for kind in defined} == reached


def titled(schema: Any) -> Iterator[Schema]:
    """The schemas of dataclasses within a schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from titled(inner)
    if isinstance(schema, list):
        for inner in schema:
            yield from titled(inner)


def test_every_route_is_asked(document: Schema) -> None:
    """Each route of the server is that of a method, or on the list of those that are none, with the reason."""
    asked = {route_of(call.request, document) for call in CALLS.values()}
    assert asked | set(NOT_ASKED) == set(routes(document))
    assert not asked & set(NOT_ASKED)


def test_a_gallery_can_be_chosen_where_the_document_says(document: Schema) -> None:
    """What is asked of a gallery is found below the galleries' prefix, and nothing else is."""
    for name, call in CALLS.items():
        method, path = route_of(call.request, document)
        assert (method in document.get("/galleries/{gallery}" + path, {})) == call.of_gallery, name


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_every_answer_is_understood(name: str, document: Schema) -> None:
    """Every field that the client knows is in the answer, of a type that it accepts, and never missing."""
    responses = operation(name, document)["responses"]
    [told] = [found["content"]["application/json"]["schema"] for status, found in responses.items() if status < "300"]
    schema = schema_of(ANSWERS[name])
    # GET /uncertainty has three answers, of which a question gets its own.
    tries = [list(misfits(schema, each, name)) for each in alternatives(told)]
    assert [] in tries, min(tries, key=len)


def sent(request: Request) -> dict[str, Any]:
    """The fields of a form; of those that come more than once, a list."""
    fields: dict[str, Any] = {}
    for name, value in request.form:
        text = "(file)" if isinstance(value, Upload) else value
        fields[name] = [*fields.get(name, []), text] if name == "captions" else text
    return fields


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_field_is_sent_as_the_document_says(name: str, document: Schema) -> None:
    """A body in JSON fits the schema, a form and a query have only names that it has, and all that it has."""
    request, told = CALLS[name].request, operation(name, document)
    assert {each["name"] for each in told.get("parameters", ()) if each["in"] == "query"} >= set(request.parameters)
    if request.json is not None:
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        assert jsonschema_rs.is_valid(schema, request.json)
        assert set(request.json) | set(NOT_SENT) >= set(schema["properties"])
    elif request.form:
        schema = told["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert set(sent(request)) <= set(schema["properties"])
        assert set(sent(request)) | set(NOT_SENT) >= set(schema["properties"])
        for field, value in sent(request).items():
            assert fits(schema["properties"][field], value), field
    else:
        assert "requestBody" not in told


def as_json(text: str) -> Iterator[Any]:
    with suppress(ValueError):
        yield json.loads(text)


def fits(schema: Schema, text: Any) -> bool:
    """Whether a form's text reads as what the schema asks for."""
    readings = [text] if isinstance(text, list) else [text, *as_json(text)]
    return any(jsonschema_rs.is_valid(schema, reading) for reading in readings)


def test_every_parameter_is_sent(document: Schema) -> None:
    """The questions to a route send, together, all the parameters that it has."""
    sent: dict[tuple[str, str], set[str]] = {}
    for call in CALLS.values():
        sent.setdefault(route_of(call.request, document), set()).update(call.request.parameters)
    for (method, path), parameters in sent.items():
        told = {each["name"] for each in document[path][method].get("parameters", ()) if each["in"] == "query"}
        assert told == parameters | (told & set(NOT_SENT)), path


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"type": "object", "properties": {}, "required": []}, "x.a is not told"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, "x.a: string is told"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": []}, "x.a may be missing"),
        ({"type": "array", "items": {}}, "x: array is told"),
    ],
)
def test_a_misfit_is_noticed(told: Schema, found: str) -> None:
    """The comparison of schemas sees a field that is gone, of another type, or that may be missing."""
    known = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert found in "".join(misfits(known, told, "x"))
