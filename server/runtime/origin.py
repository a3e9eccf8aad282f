"""Where a call comes from: its id, by which its log lines are found, and the trace that it is a part of.

Both stand in a context variable that belongs to the call, so that whatever it does knows them. Traces are
those of W3C Trace Context: what is recorded elsewhere is handed on as it came.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"
AUTHORIZATION = "authorization"

WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
"""An id that is safe in logs and headers. Another one is as good as none."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_TRACEPARENT_LENGTH = 55
"""Of version 00. Later ones may have more behind it."""

_SAMPLED = 1

_process = secrets.token_hex(8)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace, and the span in it that caused what happens."""

    trace_id: str
    span_id: str
    sampled: bool
    """Whether whoever began it keeps it."""

    @property
    def parent(self) -> str:
        """As others are told of it."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


# Never changed, but not frozen either: that would make it cost three times as much, on every call.
@dataclass(slots=True)
class Origin:
    """What a caller says about a call beside its request."""

    request_id: str
    chosen: bool = False
    """Whether the caller chose the id; otherwise it was made here."""
    trace: Trace | None = None
    authorization: str | None = field(default=None, repr=False)

    @property
    def exemplar(self) -> str:
        """The trace that a measurement of this call may be looked up in; empty where nobody keeps one."""
        return self.trace.trace_id if self.trace is not None and self.trace.sampled else ""


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def arrive(metadata: Iterable[tuple[str, Any]]) -> Origin:
    """Takes in what a call brought, and has it known from here on. The first of a name counts."""
    request_id = trace = authorization = None
    for key, value in metadata:
        if key == AUTHORIZATION:
            authorization = authorization if authorization is not None else value
        elif key == REQUEST_ID:
            request_id = request_id or (value if WELL_FORMED.fullmatch(value) else None)
        elif key == TRACEPARENT:
            trace = trace or trace_of(value)
    # Making one costs a tenth of a random one, and thousands are made in a second.
    made = request_id or f"{_process}{next(_numbers):08x}"
    origin = Origin(made, request_id is not None, trace, authorization)
    _origin.set(origin)
    return origin


def current() -> Origin | None:
    """Where the call comes from that is being answered; None outside of calls."""
    return _origin.get()


def traceparent() -> str | None:
    """What others are told who do something because of this call; None where nobody traces it."""
    origin = _origin.get()
    return origin.trace.parent if origin is not None and origin.trace is not None else None


def continue_as(trace: Trace) -> None:
    """Has what this call does from here on be caused by another span."""
    origin = _origin.get()
    if origin is not None:
        _origin.set(replace(origin, trace=trace))


def trace_of(header: str) -> Trace | None:
    """Reads a traceparent. One that is wrong is as good as none, as the standard has it."""
    found = _TRACEPARENT.match(header)
    if found is None or not (len(header) == _TRACEPARENT_LENGTH or header[_TRACEPARENT_LENGTH] == "-"):
        return None
    if header.startswith("00") and len(header) != _TRACEPARENT_LENGTH:
        return None
    return Trace(found[1], found[2], bool(int(found[3], 16) & _SAMPLED))


def in_log_line(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds to a log line of which call it is; for structlog."""
    origin = _origin.get()
    if origin is not None:
        line.setdefault("request_id", origin.request_id)
        if origin.trace is not None:
            line.setdefault("trace_id", origin.trace.trace_id)
            line.setdefault("span_id", origin.trace.span_id)
    return line
