"""Spans of calls, and of revisions on their way to tills, for OpenTelemetry, where DEALWRIGHT_TRACES asks for
them; otherwise none of it is imported.

Where they are sent, how many are kept and what the service is called there, the standard's own variables say:
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME and so on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING

import dealwright_engine

from server.runtime.errors import DefinitionsRefused, Refusal
from server.runtime.origin import Origin, Trace, continue_as, current
from server.runtime.settings import Settings, SettingsError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

SERVICE = "dealwright"

FLUSH_MILLISECONDS = 2_000
"""How long an ending process waits until the last spans are sent."""

_CALLERS_FAULT = (Refusal, DefinitionsRefused, dealwright_engine.EngineError)
"""What ends a call and is no error of the server."""


class Spans:
    """Records a span for each call, as a part of the trace that the caller began if there is one."""

    def __init__(self) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource({SERVICE_NAME: SERVICE}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE, metadata.version("dealwright-server"))

    @contextmanager
    def call(self, name: str) -> Iterator[Span]:
        """Records the call that is being answered; what it causes is caused by its span."""
        from opentelemetry.trace import SpanKind, StatusCode, TraceFlags  # noqa: PLC0415

        origin = current()
        with self._tracer.start_as_current_span(
            name,
            _cause(origin),
            SpanKind.SERVER,
            _attributes(origin),
            # Texts of exceptions stay in this process.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            made = span.get_span_context()
            sampled = bool(made.trace_flags & TraceFlags.SAMPLED)
            continue_as(Trace(f"{made.trace_id:032x}", f"{made.span_id:016x}", sampled))
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                if not isinstance(error, _CALLERS_FAULT):
                    span.set_status(StatusCode.ERROR)
                raise

    def ended(
        self, name: str, seconds: float, attributes: Mapping[str, str | int], *, failed: bool = False
    ) -> None:
        """Records what has ended now, after so long, in the trace of the call that it belongs to."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        origin, end = current(), time.time_ns()
        span = self._tracer.start_span(
            name,
            _cause(origin),
            SpanKind.INTERNAL,
            {**_attributes(origin), **attributes},
            start_time=end - round(seconds * 1e9),
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def close(self) -> None:
        """Sends the last ones."""
        self._provider.force_flush(FLUSH_MILLISECONDS)
        self._provider.shutdown()


def spans_of(settings: Settings) -> Spans | None:
    """What records spans, if the settings want some."""
    if settings.traces == "off":
        return None
    try:
        return Spans()
    except ImportError as error:
        raise SettingsError(
            f"DEALWRIGHT_TRACES={settings.traces} needs OpenTelemetry:"
            " pip install 'dealwright-server[traces]'"
        ) from error


def _attributes(origin: Origin | None) -> dict[str, str | int]:
    return {"dealwright.request_id": origin.request_id} if origin else {}


def _cause(origin: Origin | None) -> Context | None:
    return _remote(origin.trace) if origin and origin.trace else None


def _remote(trace: Trace) -> Context:
    from opentelemetry.trace import (  # noqa: PLC0415
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote))
