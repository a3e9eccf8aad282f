"""Which calls are made again, and when. No clock, no randomness: both come from the caller."""

from __future__ import annotations

import grpc
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from dealwright.errors import CallFailed

ATTEMPTS_MAX = 4

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0

KEY_FIELD = "idempotency_key"

NOT_STARTED = frozenset({"NO_RULESET", "STOPPING"})
"""With these reasons the service says that it hasn't begun. With others nobody knows: a database that is lost
had perhaps committed."""

_MAY_PASS = frozenset(
    # gRPC says CANCELLED for a server whose queue is full.
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED}
)


def repeatable(path: str) -> bool:
    """Whether a method may be called twice as well as once, as the schema says. `path` is /service/method."""
    service, _, name = path.removeprefix("/").rpartition("/")
    try:
        method = Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return False
    level = method.GetOptions().idempotency_level
    return bool(level != MethodOptions.IDEMPOTENCY_UNKNOWN)


def keyed(request: Message, key: str) -> Message:
    """The request with an idempotency key, if it has a place for one that the caller left empty."""
    if KEY_FIELD not in request.DESCRIPTOR.fields_by_name or getattr(request, KEY_FIELD):
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    setattr(copy, KEY_FIELD, key)
    return copy


def has_key(request: object) -> bool:
    """Whether the service would recognise the same request when it comes again."""
    return isinstance(request, Message) and bool(getattr(request, KEY_FIELD, ""))


def wait_seconds(failed: CallFailed, attempt: int, draw: float, left: float, *, safe: bool) -> float | None:
    """How long to wait before the next attempt; None when there shall be none.

    `attempt` counts from 1, `draw` is from [0, 1), `left` are the seconds until the deadline, and `safe` says
    that the call may be carried out twice. Half of a wait is certain, so that all together outlast the pause
    that a channel makes after a refused connection; the other half keeps callers apart.
    """
    if failed.code not in _MAY_PASS or attempt >= ATTEMPTS_MAX:
        return None
    if failed.code is grpc.StatusCode.RESOURCE_EXHAUSTED and failed.retry_after is None:
        # Without a hint it is the size of the message, which stays as it is.
        return None
    if not safe and failed.reason not in NOT_STARTED:
        return None
    backoff = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (attempt - 1))
    wait = (failed.retry_after or 0.0) + backoff * (1 + draw) / 2
    return wait if wait < left else None
