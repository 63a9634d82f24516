"""OpenTelemetry: a span for each request, one for each of its stages, sent to the collector that a setting names.

Without that setting nothing is recorded and nothing is sent. Of what was asked no span holds anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import time_ns

from opentelemetry.propagate import extract
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer
from starlette.datastructures import Headers
from starlette.types import Scope

from models.errors import ConfigError
from service.engine import Clock

NOTHING = NoOpTracer()
"""Records nothing."""


def collector(endpoint: str | None) -> Tracer:
    """What records spans and sends them to an OTLP endpoint (HTTP); `NOTHING` without one.

    Raises:
        ConfigError: the packages of the extra are missing.
    """
    if endpoint is None:
        return NOTHING
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigError("Traces need a package that is not here: pip install 'penumbra[tracing]'.") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "penumbra"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider.get_tracer("penumbra")


@contextmanager
def request_span(tracer: Tracer, scope: Scope, request_id: str) -> Iterator[dict[str, str | int]]:
    """The span of a request, part of its caller's trace (W3C traceparent); what is put into the value is told by it."""
    found: dict[str, str | int] = {"http.request.method": scope["method"], "penumbra.request_id": request_id}
    if tracer is NOTHING:  # Every request comes here, and reading its headers for a trace is work for nothing then.
        yield found
        return
    parent = extract(dict(Headers(scope=scope)))
    with tracer.start_as_current_span(scope["method"], parent, SpanKind.SERVER) as span:
        try:
            yield found
        finally:
            span.set_attributes(found)
            if "http.route" in found:
                span.update_name(f"{scope['method']} {found['http.route']}")


def stage_spans(tracer: Tracer, clock: Clock) -> None:
    """A span for each stage that a clock has timed, within the span of the request that is being answered."""
    offset = time_ns() - clock.now_ns()
    for stage, (began, ended) in clock.laps.items():
        tracer.start_span(stage, start_time=offset + began).end(offset + ended)
