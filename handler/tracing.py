"""OpenTelemetry's spans of each photo, sent to where OTEL_EXPORTER_OTLP_ENDPOINT says; without it nothing is imported.

The door begins a trace and hands it on in `traceparent`. A span tells times and numbers, never a byte of a photo nor a
name that came with it.
"""

import os
import time
from typing import TYPE_CHECKING

from emotion.errors import ImageError
from emotion.pipeline import Result

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own variables; it reads its other ones too."""

NAME = "emotion-server"


def from_environment() -> "Tracing | None":
    """What records spans; None where no endpoint is set."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415, seldom needed
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider.get_tracer(NAME))


class Tracing:
    """Writes the spans of photos that have been answered; they are sent in the background."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    def photo(
        self, traceparent: str, request_id: str, arrived: float | None, started: float, result: Result | ImageError
    ) -> None:
        """One photo's spans: its wait, its batch, and in that each stage.

        `traceparent`: the door's span, "" if there is none. `arrived`: seconds since 1970, at the door. `started`: when
        its batch began, by `time.perf_counter`, as the stages are timed.
        """
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        door = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        began, ended = _wall(started), time.time_ns()
        if arrived is not None:
            self._tracer.start_span("wait", door, start_time=min(int(arrived * 1e9), began)).end(began)
        batch = self._tracer.start_span("batch", door, start_time=began, attributes={"request.id": request_id})
        if isinstance(result, ImageError):
            batch.set_attributes({"http.response.status_code": result.kind.status, "error.type": result.kind.code})
        else:
            batch.set_attributes({"http.response.status_code": 200, "emotion.faces": len(result.faces)})
            inside = trace.set_span_in_context(batch, door)
            for stage, first in result.began.items():
                start = _wall(first)
                span = self._tracer.start_span(stage, inside, start_time=start)
                span.end(start + int(result.timings_ms[stage] * 1e6))
        batch.end(ended)


def _wall(moment: float) -> int:
    """Nanoseconds since 1970 of a moment by `time.perf_counter`."""
    return time.time_ns() - int((time.perf_counter() - moment) * 1e9)
