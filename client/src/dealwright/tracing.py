"""Which call it is, and what caused it: told to the service with each call, so that logs and traces meet.

An id is made for each call and stays the same for its repetitions. The trace is that of `traced`, or else the
current span of OpenTelemetry where the program uses that; nothing of it is imported here.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"

_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


@contextmanager
def traced(traceparent: str) -> Iterator[None]:
    """Calls from within are a part of a trace: `traceparent` is the header of W3C Trace Context.

    with traced(request.headers["traceparent"]):
        client.evaluate(cart)
    """
    before = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(before)


def outgoing() -> tuple[tuple[str, str], ...]:
    """What goes with one call and its repetitions."""
    told = ((REQUEST_ID, secrets.token_hex(8)),)
    traceparent = _traceparent.get() or _of_opentelemetry()
    return (*told, (TRACEPARENT, traceparent)) if traceparent else told


def _of_opentelemetry() -> str:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else ""
