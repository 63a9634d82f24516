"""The page of the HTTP surface, from the server's OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from documentation.markdown import code, generated, table
from service.api.places import PREFIX

Schema = Mapping[str, Any]

INTRODUCTION: Final = """\
A running server shows the same at `/docs`, to try out, and as OpenAPI at `/openapi.json`. Every route of a gallery is
found again below `/galleries/NAME`. Errors are `application/problem+json` (RFC 9457) with one sentence in `detail`.
What galleries and changes are is told in [Serving](../serving.md), keys and limits in [Operations](../operations.md).

A search's probabilities are explained in [What the probability means](../probability.md). The milliseconds of each
stage stand in the header `Server-Timing`, the request's id in `X-Request-ID`; `X-Deadline-Ms` gives a query less time
than the server would.
"""
WIDTH: Final = 80
"""Of an example on one line."""
METHODS: Final = ("get", "post", "put", "delete", "patch")


def page(openapi: Schema) -> str:
    """Every route with what it takes and answers, then every schema."""
    routes = "".join(_route(openapi, *each) for each in operations(openapi))
    schemas = "".join(_schema(name, schema) for name, schema in sorted(_schemas(openapi).items()))
    head = generated("HTTP", "the OpenAPI document of a server", INTRODUCTION.rstrip())
    return f"{head}\n## Routes\n{routes}\n## Schemas\n{schemas}"


def operations(openapi: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Method, path and operation of every route; those below a gallery's name are the same again."""
    for path, methods in openapi["paths"].items():
        if not path.startswith(PREFIX):
            yield from ((method, path, methods[method]) for method in METHODS if method in methods)


def _schemas(openapi: Schema) -> Schema:
    return dict(openapi["components"]["schemas"])


def _route(openapi: Schema, method: str, path: str, operation: Schema) -> str:
    parts = [f"\n### {method.upper()} {path}\n\n{operation.get('description', '').strip()}\n"]
    parts += [part for part in (_parameters(operation), _body(operation), _answers(operation)) if part]
    return "\n".join(parts)


def _parameters(operation: Schema) -> str:
    rows = [
        (code(each["name"]), each["in"], _type(each["schema"]), each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    return table(("parameter", "in", "type", "what"), rows) if rows else ""


def _body(operation: Schema) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return "".join(f"Takes {code(kind)}: {_type(each['schema'])}.\n{_examples(each)}" for kind, each in content.items())


def _examples(content: Schema) -> str:
    found = [*content.get("examples", {}).values(), *([{"value": content["example"]}] if "example" in content else [])]
    return "".join(f"\n```json\n{_json(each['value'])}\n```\n" for each in found)


def _json(value: object) -> str:
    """On one line where there is room for it."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= WIDTH else json.dumps(value, ensure_ascii=False, indent=2)


def _answers(operation: Schema) -> str:
    rows = [
        (status, answer.get("description") or HTTPStatus(int(status)).phrase, _answered(answer))
        for status, answer in sorted(operation["responses"].items())
    ]
    return table(("status", "when", "answer"), rows)


def _answered(answer: Schema) -> str:
    kinds = answer.get("content", {})
    told = (_type(each["schema"]) if "schema" in each else code(kind) for kind, each in kinds.items())
    return ", ".join(told)


def _schema(name: str, schema: Schema) -> str:
    parts = [f"\n### {name}\n", schema.get("description", "").strip() + "\n"]
    if "enum" in schema:
        parts.append(f"One of {', '.join(map(code, schema['enum']))}.\n")
    if "properties" in schema:
        parts.append(_properties(schema))
    return "\n".join(part for part in parts if part.strip())


def _properties(schema: Schema) -> str:
    required = schema.get("required", ())
    rows = [
        (code(name), _type(each), _default(name, each, required), each.get("description", ""))
        for name, each in schema["properties"].items()
    ]
    return "\n" + table(("field", "type", "default", "what"), rows)


def _default(name: str, schema: Schema, required: object) -> str:
    if name in (required if isinstance(required, list) else ()):
        return "required"
    return code(json.dumps(schema["default"], ensure_ascii=False)) if "default" in schema else ""


def _type(schema: Schema) -> str:
    """In words; a schema of a name leads to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{schema.get('format') or schema.get('type') or 'any'}{_bounds(schema)}"


BOUNDS: Final = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "minLength": "at least",
    "maxLength": "at most",
}


def _bounds(schema: Schema) -> str:
    found = [f"{sign} {schema[name]}" for name, sign in BOUNDS.items() if name in schema]
    return f", {', '.join(found)}" if found else ""
